"""The commands of the people, as someone at the keyboard has them."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from cli import mailer
from mailer.config import Settings
from mailer.database import Database
from mailer.errors import MailerError
from subscribers import people
from subscribers.account import RequestFingerprint, idempotency
from subscribers.address import EmailAddress
from subscribers.rights.notice import publish

EXAMPLES = Path(__file__).parents[3] / "examples"
KEY = "k" * 32


class Keyboard:
    """Runs commands in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str | Path, code: int = 0, words: str | None = None) -> Result:
        result = CliRunner().invoke(mailer, [str(each) for each in arguments], input=words)
        if isinstance(result.exception, MailerError):
            assert result.exception.exit_code == code, result.exception
        else:
            assert result.exit_code == code, result.output
        return result

    def json(self, *arguments: str | Path, code: int = 0) -> dict[str, object]:
        values = json.loads(self(*arguments, "--json", code=code).stdout)
        assert isinstance(values, dict)
        return values

    def import_(self, file: Path = EXAMPLES / "people.csv", *options: str | Path) -> dict[str, object]:
        refusals = () if "--refusals" in options else ("--refusals", self.folder / "refused.csv")
        wording = EXAMPLES / "wording.nl.txt"
        return self.json(
            "subscribers", "import", file, "--source", "form", "--wording", wording, *refusals, *options
        )


@pytest.fixture
def keyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyboard:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILER_SECRET_KEYS", KEY)
    database = Database("sqlite:///mailer.db", tmp_path)
    database.create()
    database.close()
    return Keyboard(tmp_path)


def test_import_reports_counts_and_dropped_columns(keyboard: Keyboard) -> None:
    report = keyboard.import_()
    assert {name: report[name] for name in ("read", "granted", "without_consent", "refused")} == {
        "read": 37,
        "granted": 26,
        "without_consent": 4,
        "refused": 7,
    }
    assert (report["unchanged"], report["still_withdrawn"]) == (0, 0)
    assert report["dropped_columns"] == ["Telefoon", "LinkedIn"]


def test_refused_rows_are_listed_by_number_without_personal_data(keyboard: Keyboard) -> None:
    report = keyboard.import_()
    content = Path(str(report["refusals_file"])).read_text(encoding="utf-8")
    rows = list(csv.DictReader(content.splitlines(), delimiter=";"))
    assert [(row["row"], row["column"]) for row in rows] == [
        ("31", "Voornaam"),
        ("33", "E-mailadres"),
        ("34", "Voornaam"),
        ("35", "E-mailadres"),
        ("36", "Toestemming op"),
        ("37", "Toestemming op"),
        ("38", "Toestemming"),
    ]
    assert all(row["reason"] for row in rows)
    assert "example.com" not in content


def test_refusals_stand_beside_the_file_by_default_and_go_when_there_are_none(keyboard: Keyboard) -> None:
    people = keyboard.folder / "people.csv"
    header = "email,opted_in,opted_in_at\n"
    people.write_text(header + "nonsense,yes,2026-05-01\n", encoding="utf-8")
    command = ("subscribers", "import", people, "--source", "x", "--wording", EXAMPLES / "wording.nl.txt")
    keyboard(*command)
    assert (keyboard.folder / "people.refused.csv").exists()
    people.write_text(header + "jan@example.com,yes,2026-05-01\n", encoding="utf-8")
    keyboard(*command)
    assert not (keyboard.folder / "people.refused.csv").exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--source", " "), "one line"),
        (("--topic", "two words"), "topic"),
        (("--refusals", EXAMPLES / "people.csv"), "overwrite"),
        (("--refusals", "/nowhere/refused.csv"), "can't be written"),
    ],
)
def test_import_refuses_what_it_can_not_work_with(
    keyboard: Keyboard, options: tuple[str | Path, ...], reason: str
) -> None:
    wording = EXAMPLES / "wording.nl.txt"
    command = ("subscribers", "import", EXAMPLES / "people.csv", "--source", "x", "--wording", wording)
    safe = () if "--refusals" in options else ("--refusals", keyboard.folder / "r.csv")
    result = keyboard(*command, *safe, *options, code=1)
    assert reason in str(result.exception)


def test_a_file_that_is_no_list_of_refusals_is_not_overwritten(keyboard: Keyboard) -> None:
    thesis = keyboard.folder / "thesis.csv"
    thesis.write_text("chapter,words\n", encoding="utf-8")
    command = ("subscribers", "import", EXAMPLES / "people.csv", "--source", "x")
    keyboard(*command, "--wording", EXAMPLES / "wording.nl.txt", "--refusals", thesis, code=4)
    assert thesis.read_text(encoding="utf-8") == "chapter,words\n"


@pytest.mark.parametrize("language", ["english", "dutch", "NL", "nl_BE", "en GB", "e", "nl-" + "x" * 40])
def test_a_language_that_no_mail_could_be_in_is_refused(keyboard: Keyboard, language: str) -> None:
    wording = EXAMPLES / "wording.nl.txt"
    file = EXAMPLES / "people.csv"
    for command in (
        ("subscribers", "import", file, "--source", "form", "--wording", wording),
        ("subscribers", "sync", file, "--source", "account", "--wording", wording),
        ("consent", "grant", "zoe@example.com", "--source", "phone", "--wording", wording),
        ("consent", "wording", "add", wording),
    ):
        refused = keyboard(*command, "--language", language, code=1)
        assert "--language: it is not a language, such as nl or en-GB." in str(refused.exception)


def test_import_refuses_a_wording_without_words(keyboard: Keyboard) -> None:
    empty = keyboard.folder / "empty.txt"
    empty.write_text("\n", encoding="utf-8")
    result = keyboard(
        "subscribers", "import", EXAMPLES / "people.csv", "--source", "x", "--wording", empty, code=1
    )
    assert "the wording is empty" in str(result.exception)


def test_import_wants_a_source_and_a_wording(keyboard: Keyboard) -> None:
    keyboard("subscribers", "import", EXAMPLES / "people.csv", "--source", "x", code=2)
    keyboard(
        "subscribers", "import", EXAMPLES / "people.csv", "--wording", EXAMPLES / "wording.nl.txt", code=2
    )


def test_import_without_a_database_says_what_to_do(keyboard: Keyboard) -> None:
    (keyboard.folder / "mailer.db").unlink()
    wording = EXAMPLES / "wording.nl.txt"
    command = ("subscribers", "import", EXAMPLES / "people.csv", "--source", "x", "--wording", wording)
    result = keyboard(*command, "--refusals", keyboard.folder / "r.csv", code=1)
    assert "mailer init" in str(result.exception)


def test_a_dry_run_says_so_and_writes_nothing(keyboard: Keyboard) -> None:
    assert keyboard.import_(EXAMPLES / "people.csv", "--dry-run")["granted"] == 26
    assert keyboard.json("subscribers", "list")["subscribers"] == []


def test_prove_prints_when_how_and_the_verbatim_text(keyboard: Keyboard) -> None:
    keyboard.import_()
    text = keyboard("consent", "prove", "JAN@example.com").stdout
    wording = (EXAMPLES / "wording.nl.txt").read_text(encoding="utf-8")
    assert "2026-06-02 14:05:00 CEST" in text
    assert "form" in text
    assert all(line in text for line in wording.splitlines())
    assert keyboard.json("consent", "prove", "jan@example.com")["wording"] == wording


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (("consent", "prove"), "mailer subscribers list"),
        (("consent", "withdraw"), "mailer subscribers suppress"),
    ],
)
def test_of_who_is_not_on_file_the_hint_fits_the_command(
    keyboard: Keyboard, command: tuple[str, str], hint: str
) -> None:
    assert hint in str(keyboard(*command, "nobody@example.com", code=1).exception)


def test_an_audit_until_a_time_to_come_is_refused_with_what_to_do(keyboard: Keyboard) -> None:
    window = ("--from", "2026-01-01", "--to", "2999-01-01", "--output", "audit.zip")
    told = str(keyboard("privacy", "audit", *window, code=1).exception)
    assert told == "--to: it lies in the future.\nLeave --to out for now."


def test_withdraw_and_grant_are_told_by_the_history(keyboard: Keyboard) -> None:
    keyboard.import_()
    assert keyboard.json("consent", "withdraw", "jan@example.com")["changed"] is True
    assert keyboard.json("consent", "withdraw", "jan@example.com")["changed"] is False
    grant = (
        "consent",
        "grant",
        "jan@example.com",
        "--source",
        "by phone",
        "--wording",
        EXAMPLES / "wording.nl.txt",
    )
    refused = keyboard(*grant, "--at", "2026-06-02 14:05", code=4)
    assert "took back" in str(refused.exception)
    keyboard(*grant)
    events = keyboard.json("consent", "history", "jan@example.com")["events"]
    assert isinstance(events, list)
    assert [event["kind"] for event in events] == ["granted", "withdrawn", "granted"]


def test_grant_puts_somebody_new_on_file(keyboard: Keyboard) -> None:
    wording = EXAMPLES / "wording.en.txt"
    keyboard(
        "consent", "grant", "New@example.com", "--source", "fair", "--wording", wording, "--surname", "Ng"
    )
    assert keyboard.json("subscribers", "show", "new@example.com")["surname"] == "Ng"
    late = (
        "consent",
        "grant",
        "x@example.com",
        "--source",
        "fair",
        "--wording",
        wording,
        "--at",
        "2999-01-01",
    )
    assert "--at: it lies in the future" in str(keyboard(*late, code=1).exception)


def test_list_filters_by_state(keyboard: Keyboard) -> None:
    keyboard.import_()
    keyboard("consent", "withdraw", "jan@example.com")
    lines = keyboard("subscribers", "list").stdout.splitlines()
    assert lines[0].split() == ["email", "name", "state", "since"]
    assert lines[-1] == "26 subscribers"
    assert len(lines) == 29
    withdrawn = keyboard("subscribers", "list", "--state", "withdrawn").stdout.splitlines()
    assert withdrawn[1].startswith("jan@example.com ")
    assert withdrawn[-1] == "1 subscriber"
    assert keyboard("subscribers", "list", "--state", "objected").stdout.endswith("\n0 subscribers\n")


def test_list_shows_who_is_suppressed_and_domains_as_people_write_them(keyboard: Keyboard) -> None:
    people = keyboard.folder / "people.csv"
    people.write_text(
        "email,opted_in,opted_in_at\nann@bücher.example,yes,2026-06-01\nbob@example.com,yes,2026-06-01\n",
        encoding="utf-8",
    )
    keyboard.import_(people)
    assert "ann@bücher.example  " in keyboard("subscribers", "list").stdout
    assert keyboard.json("subscribers", "list", "--state", "suppressed")["subscribers"] == []
    opt_outs = keyboard.folder / "opt-outs.csv"
    opt_outs.write_text("email\nbob@example.com\n", encoding="utf-8")
    keyboard("subscribers", "suppress", str(opt_outs), "--reason", "objected")
    found = keyboard("subscribers", "list", "--state", "suppressed").stdout.splitlines()
    assert found[1].startswith("bob@example.com ")
    assert found[-1] == "1 subscriber"


def test_the_list_shows_days_of_the_settings_zone(keyboard: Keyboard) -> None:
    people = keyboard.folder / "people.csv"
    people.write_text("email,opted_in,opted_in_at\na@example.com,yes,2026-06-01\n", encoding="utf-8")
    keyboard.import_(people)
    row = keyboard("subscribers", "list").stdout.splitlines()[1]
    assert row.split() == ["a@example.com", "granted", "2026-06-01"]


def test_a_noted_head_that_is_none_is_wrong_usage_and_not_a_broken_ledger(keyboard: Keyboard) -> None:
    assert "64 characters" in keyboard("consent", "verify", "--noted", "3f5a...", code=2).output


def test_a_former_address_is_not_said_to_be_an_erased_person(keyboard: Keyboard) -> None:
    keyboard.import_()
    keyboard("subscribers", "rectify", "jan@example.com", "--email", "johan@example.com")
    said = str(keyboard("subscribers", "show", "jan@example.com", code=1).exception)
    assert "or changed for another" in said


def test_access_tells_why_an_address_is_suppressed_also_of_who_is_not_on_file(keyboard: Keyboard) -> None:
    keyboard.import_()
    (keyboard.folder / "left.txt").write_text("jan@example.com\nold@example.com\n", encoding="utf-8")
    keyboard("subscribers", "suppress", "left.txt", "--reason", "a letter of 3 May")
    suppressed = json.loads(keyboard("subscribers", "export", "jan@example.com").stdout)["suppressed"]
    assert (suppressed["reason"], suppressed["source"]) == ("opted_out", "a letter of 3 May")
    assert ": gets no mail (a letter of 3 May)" in keyboard("subscribers", "show", "jan@example.com").stdout
    for command in ("show", "export"):
        told = str(keyboard("subscribers", command, "old@example.com", code=1).exception)
        assert "suppressed (opted_out) since 20" in told
        assert "a letter of 3 May" in told
        assert "only a keyed hash" in told


def test_rectify_erase_and_export(keyboard: Keyboard) -> None:
    keyboard.import_()
    changed = keyboard.json("subscribers", "rectify", "jan@example.com", "--first-name", "Johan")["changed"]
    assert changed == ["first_name"]
    keyboard("subscribers", "rectify", "jan@example.com", code=2)
    assert json.loads(keyboard("subscribers", "export", "jan@example.com").stdout)["first_name"] == "Johan"
    for words in ("n\n", ""):  # the answer no, and nobody to answer
        refused = keyboard("subscribers", "erase", "jan@example.com", code=4, words=words).exception
        assert str(refused) == "Nobody was erased.\nIn a script, give --yes."
    keyboard("subscribers", "erase", "jan@example.com", "--yes")
    assert "erased, or changed" in str(keyboard("subscribers", "show", "jan@example.com", code=1).exception)


def test_erasing_forgets_the_answers_to_the_account_system_about_that_person(keyboard: Keyboard) -> None:
    keyboard.import_()
    database = Database("sqlite:///mailer.db", keyboard.folder)
    jan = EmailAddress("jan@example.com", "jan@example.com")
    with database.write() as connection:
        person = people.find(connection, jan)
        assert person is not None
        answers: list[tuple[RequestFingerprint, int, dict[str, object], int | None]] = [
            (RequestFingerprint("a" * 64, "b" * 64), 200, {}, person.id),
            (RequestFingerprint("c" * 64, "d" * 64), 200, {}, None),
        ]
        idempotency.remember(connection, answers, datetime.now(UTC))
    keyboard("subscribers", "erase", "jan@example.com", "--yes")
    with database.read() as connection:
        left = connection.execute(select(idempotency.REQUEST.c.key_hash)).scalars().all()
    database.close()
    assert left == ["c" * 64]


@pytest.mark.parametrize("command", [("subscribers", "erase", "--yes"), ("consent", "withdraw")])
def test_an_erased_person_who_says_no_again_is_not_brought_back_by_a_consent_from_between(
    keyboard: Keyboard, command: tuple[str, ...]
) -> None:
    keyboard.import_()
    keyboard("subscribers", "erase", "jan@example.com", "--yes")
    between = datetime.now(UTC).isoformat()
    keyboard(*command, "jan@example.com", code=1)
    people = keyboard.folder / "people.csv"
    people.write_text(f"email,opted_in,opted_in_at\njan@example.com,yes,{between}\n", encoding="utf-8")
    assert keyboard.import_(people)["still_withdrawn"] == 1


@pytest.mark.parametrize("command", ["show", "export", "rectify", "erase"])
def test_an_address_that_is_none_is_a_clear_error(keyboard: Keyboard, command: str) -> None:
    options = {"rectify": ["--surname", "X"], "erase": ["--yes"]}.get(command, [])
    result = keyboard("subscribers", command, "secret@@example.com", *options, code=1)
    assert "exactly one @" in str(result.exception)
    assert "secret" not in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("subscribers list --topic a/b", "--topic: 'a/b' is not a topic."),
        ("consent changes --after 3", "`mailer consent changes` prints a cursor"),
        ("webhooks replay 4f1d0c2a9b7e --after 3", "`mailer consent changes` prints a cursor"),
        ("privacy hold add nobody@example.com --ground x --until 2099-01-01", "`mailer subscribers list`"),
        ("privacy notice --version 9", "The newest is 1."),
        ("deploy cron --user a;b", "--user: 'a;b' has characters"),
        ("keys dkim --domain example", "Write it as acme.example."),
    ],
)
def test_an_error_tells_the_option_and_what_to_do(keyboard: Keyboard, arguments: str, told: str) -> None:
    (keyboard.folder / "mailer.toml").touch()
    with Database("sqlite:///mailer.db", keyboard.folder).write() as connection:
        publish(connection, Settings(), datetime.now(UTC))
    assert told in str(keyboard(*arguments.split(), code=1).exception)


def test_verify_tells_the_head_and_misses_one_that_is_not_there(keyboard: Keyboard) -> None:
    keyboard.import_()
    verified = keyboard.json("consent", "verify")
    assert (verified["intact"], verified["events"]) == (True, 26)
    keyboard("consent", "verify", "--noted", str(verified["head"]))
    broken = keyboard.json("consent", "verify", "--noted", "0" * 64, code=1)
    assert broken["intact"] is False


def test_a_bundle_wants_the_ledger_s_key_and_names_it(
    keyboard: Keyboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILER_LEDGER_KEY_FILE", str(tmp_path / "mailer.ledger.key"))
    keyboard.import_()
    email = keyboard.json("subscribers", "list")["subscribers"][0]["email"]
    command = ("consent", "prove", email, "--bundle", tmp_path / "jan.zip")
    assert isinstance(refused := keyboard(*command, code=4).exception, MailerError)
    assert "`mailer keys ledger`, then `mailer consent sign`" in str(refused.hint)
    vkey = keyboard.json("keys", "ledger")["vkey"]
    assert keyboard.json("keys", "ledger")["vkey"] == vkey
    assert "`mailer consent sign`" in str(keyboard("consent", "verify", code=1).exception)
    keyboard("consent", "sign")
    assert "signed already" in str(keyboard("consent", "sign", code=4).exception)
    keyboard(*command)
    with ZipFile(tmp_path / "jan.zip") as bundle:
        assert bundle.namelist() == ["proof.json", "page.html"]
        assert json.loads(bundle.read("proof.json"))["key"] == vkey
    assert "can't be created" in str(keyboard(*command, code=1).exception)
