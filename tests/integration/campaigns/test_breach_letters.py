"""mailer privacy breach --send: each letter at most once, in the person's language, only when it is filled in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import Engine, event

from mailer.config import BrandSettings, Settings, load_settings
from mailer.config.privacy_settings import PrivacySettings
from mailer.database import Database
from mailer.message import Mailbox
from subscribers.rights.breach import Category, Incident, Scope
from subscribers.rights.breach_documents import Breach, write_documents
from subscribers.rights.breach_letter import LetterJournal, LetterState, LetterText
from tests.support.campaign import threaded
from tests.support.faults import Fault, Point
from tests.support.keyboard import Keyboard, keyboard_for
from tests.support.relay import FaultyRelay, Mail

SEND = ("privacy", "breach", "--send", "Robin Smit", "--output", "b", "--yes")


@pytest.fixture
def relay() -> Iterator[FaultyRelay]:
    with threaded(FaultyRelay()) as running:
        yield running


@pytest.fixture
def keyboard(relay: FaultyRelay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyboard:
    """Three people, and the documents of a breach; the letters are filled in."""
    found = keyboard_for(relay.port, tmp_path, monkeypatch, "# Version 1\n\n- A thing.\n")
    found.subscribe("a@example.com", "b@example.com", "c@example.com")
    found("privacy", "breach", "--since", "2026-01-01", "--output", "b")
    for locale in ("en", "nl"):
        path = tmp_path / "b" / f"letter.{locale}.txt"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(line for line in lines if not line.startswith("[")), encoding="utf-8")
    return found


def parsed(mail: Mail) -> EmailMessage:
    message = message_from_bytes(mail.content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def text_of(mail: Mail) -> str:
    part = parsed(mail).get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_each_person_gets_the_letter_once_however_often_it_is_sent(
    keyboard: Keyboard, relay: FaultyRelay
) -> None:
    for _ in range(2):
        values = keyboard.json(*SEND)
        assert (values["letters_sent"], values["accepted"], values["rejected"]) == (True, 3, 0)
    assert [mail.recipient for mail in relay.accepted] == ["a@example.com", "b@example.com", "c@example.com"]
    assert parsed(relay.accepted[0])["Subject"] == "Your data at Release Mailer"
    assert "Dear reader,\n" in text_of(relay.accepted[0])
    assert "{greeting}" not in text_of(relay.accepted[0])


def test_a_run_with_nothing_left_to_send_says_so(keyboard: Keyboard) -> None:
    assert keyboard(*SEND).stdout.startswith("accepted 3, ")
    assert keyboard(*SEND).stdout.startswith("Nothing left to send; accepted 3, ")


def test_a_person_gets_it_in_their_own_language(
    keyboard: Keyboard, relay: FaultyRelay, tmp_path: Path
) -> None:
    path = tmp_path / "b" / "people.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",en,Dear reader", ",nl,Beste lezer", 1))
    keyboard(*SEND)
    assert [parsed(mail)["Content-Language"] for mail in relay.accepted] == ["nl", "en", "en"]
    assert "Beste lezer,\n" in text_of(relay.accepted[0])


@pytest.mark.parametrize(
    ("letter", "place"),
    [("letter.nl.txt", "[Vul in: wat er is gebeurd]\n"), ("letter.en.txt", "[Fill\nin: what happened]\n")],
    ids=["on one line", "wrapped"],
)
def test_a_letter_that_is_not_filled_in_goes_to_nobody(
    keyboard: Keyboard, relay: FaultyRelay, tmp_path: Path, letter: str, place: str
) -> None:
    with (tmp_path / "b" / letter).open("a", encoding="utf-8") as file:
        file.write(place)
    assert f"{letter} is not filled in" in keyboard.refuse(*SEND)
    assert relay.accepted == []


@pytest.mark.parametrize("damage", ["Subject: ", "{greeting}"])
def test_a_letter_without_subject_or_greeting_goes_to_nobody(
    keyboard: Keyboard, relay: FaultyRelay, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "b" / "letter.en.txt"
    path.write_text(path.read_text(encoding="utf-8").replace(damage, ""), encoding="utf-8")
    keyboard(*SEND, code=1)
    assert relay.accepted == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "can't be read: No such file or directory"),
        (b"\xff", "is not UTF-8 text"),
    ],
    ids=["missing", "not text"],
)
@pytest.mark.parametrize("name", ["letter.en.txt", "people.csv"])
def test_a_file_that_cannot_be_read_is_named_with_the_reason(
    keyboard: Keyboard, tmp_path: Path, name: str, content: bytes | None, problem: str
) -> None:
    path = tmp_path / "b" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    told = str(keyboard(*SEND, code=1).exception)
    assert (f"b/{name}" in told, problem in told, "Errno" in told) == (True, True, False), told


@pytest.mark.parametrize("rows", ["email\na@example.com\n", "email,language,greeting\na@example.com,en\n"])
def test_a_row_of_the_list_without_a_column_is_named(
    keyboard: Keyboard, relay: FaultyRelay, tmp_path: Path, rows: str
) -> None:
    path = tmp_path / "b" / "people.csv"
    path.write_text(rows, encoding="utf-8")
    assert "b/people.csv, row 1" in str(keyboard(*SEND, code=1).exception)
    assert relay.accepted == []


def test_without_a_yes_nothing_is_sent(keyboard: Keyboard, relay: FaultyRelay) -> None:
    assert "No letter was sent" in keyboard.refuse(*SEND[:-1])
    assert relay.accepted == []


def test_many_who_were_erased_are_passed_over_quickly(
    database: Database,
    keyboard: Keyboard,
    relay: FaultyRelay,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAILER_DATABASE_URL", database.url.render_as_string(hide_password=False))
    keyboard.subscribe("A@example.com", "b@example.com")
    path = tmp_path / "b" / "people.csv"
    head, row, *_ = path.read_text(encoding="utf-8").splitlines()
    several = [*(f"erased{number}@example.com" for number in range(12_000)), "A@example.com", "b@example.com"]
    rows = [row.replace("a@example.com", email) for email in several]
    path.write_text("\n".join([head, *rows, ""]), encoding="utf-8")
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        values = keyboard.json(*SEND)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert (values["accepted"], values["skipped"]) == (2, 12_000)
    assert [mail.recipient for mail in relay.accepted] == several[-2:]
    assert len(statements) < 60


def test_who_was_erased_since_gets_none(keyboard: Keyboard, relay: FaultyRelay) -> None:
    keyboard("subscribers", "erase", "b@example.com", "--yes")
    values = keyboard.json(*SEND)
    assert (values["accepted"], values["skipped"]) == (2, 1)
    assert [mail.recipient for mail in relay.accepted] == ["a@example.com", "c@example.com"]


def test_it_is_recorded_with_the_name_of_who_approved_it(keyboard: Keyboard) -> None:
    keyboard(*SEND)
    acts = keyboard.json("privacy", "log")["acts"]
    assert isinstance(acts, list)
    [sent] = [each for each in acts if each["ground"]]
    assert (sent["people"], sent["ground"]) == (3, "GDPR art. 34, approved by Robin Smit")


def test_after_content_without_a_reply_a_letter_is_not_offered_again(
    keyboard: Keyboard, relay: FaultyRelay, tmp_path: Path
) -> None:
    relay.plan[:] = [{Point.FINAL: Fault.HANG_UP}]
    values = keyboard.json(*SEND, code=3)
    assert (values["accepted"], values["uncertain"]) == (2, 1)
    keyboard(*SEND, code=3)
    assert len(relay.contents) == 3


def test_a_letter_that_was_put_off_is_sent_by_the_next_run(keyboard: Keyboard, relay: FaultyRelay) -> None:
    relay.plan[:] = [{Point.RCPT: Fault.LATER}]
    assert keyboard.json(*SEND)["deferred"] == 1
    values = keyboard.json(*SEND)
    assert (values["accepted"], values["deferred"]) == (3, 0)
    assert sorted(mail.recipient for mail in relay.accepted) == [
        "a@example.com",
        "b@example.com",
        "c@example.com",
    ]


def test_letters_count_for_the_limits_of_the_relay(
    keyboard: Keyboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILER_SMTP__LIMITS__PER_DAY", "3")
    assert keyboard.json(*SEND)["accepted"] == 3
    database = Database("sqlite:///mailer.db", tmp_path)
    with database.read() as connection:
        now = datetime.now(UTC)
        assert load_settings().throttle().opens_at(connection, now) > now
    database.close()


def test_an_attempt_without_an_outcome_is_uncertain_and_a_line_that_was_cut_off_is_none(
    tmp_path: Path,
) -> None:
    lines = [{"row": 1, "state": "accepted"}, {"row": 2, "state": "attempting"}]
    written = "".join(json.dumps(line) + "\n" for line in lines) + '{"row": 3, "sta'
    (tmp_path / "sent.jsonl").write_text(written, encoding="utf-8")
    for _ in range(2):
        with LetterJournal.opened(tmp_path) as journal:
            assert [row for row in (1, 2, 3) if journal.is_to_send(row)] == [3]
            assert journal.counts()[LetterState.UNCERTAIN] == 1
            journal.note(4, LetterState.REJECTED)
    with LetterJournal.opened(tmp_path) as journal:
        assert not journal.is_to_send(4)


def test_the_html_says_the_same_and_escapes() -> None:
    letter = LetterText("nl", "A & B", "{greeting},\n\nEen <b> & twee.\n- punt\n")
    html = letter.html_for("Beste <x>")
    assert "<p>Beste &lt;x&gt;,</p>" in html
    assert "<p>Een &lt;b&gt; &amp; twee.</p>\n<ul>\n<li>punt</li>\n</ul>" in html
    assert '<html lang="nl">' in html


def test_a_wrapped_line_is_joined_in_the_html_and_a_break_that_was_meant_is_kept() -> None:
    wrapped = "Gegevens over u zijn mogelijk in handen gekomen van iemand die ze niet\nmag hebben."
    item = "- Vertrouw geen mail uit onze naam die om een wachtwoord of een betaling\n  vraagt."
    text = f"{{greeting}},\n\nWAT ER IS GEBEURD\n\n{wrapped}\n\n{item}\n- Twee.\n\nAcme\nKade 1\n"
    html = LetterText("nl", "A", text).html_for("Beste lezer")
    assert "<h2>WAT ER IS GEBEURD</h2>" in html
    assert f"<p>{wrapped.replace(chr(10), ' ')}</p>" in html
    assert "<li>Vertrouw geen mail uit onze naam die om een wachtwoord of een betaling vraagt.</li>" in html
    assert "<p>Acme<br>\nKade 1</p>" in html


@pytest.mark.parametrize("form_of_address", ["formal", "informal"])
def test_no_line_of_a_letter_is_wider_than_the_window_of_a_mail_program(
    tmp_path: Path, form_of_address: Literal["formal", "informal"]
) -> None:
    brand = BrandSettings(name="Acme")
    privacy = PrivacySettings(contact=Mailbox("Robin Smit-van den Berg", "privacy@subdomain.acme.example"))
    moment = datetime(2026, 11, 1, 12, tzinfo=UTC)
    incident = Incident(Scope.DATABASE, moment, moment, moment)
    breach = Breach(incident, 1204, {"nl": 1204}, 0, dict.fromkeys(Category, 1204))
    settings = Settings(brand=brand, privacy=privacy, locale="nl", form_of_address=form_of_address)
    write_documents(tmp_path, breach, settings)
    for locale in ("nl", "en"):
        lines = (tmp_path / f"letter.{locale}.txt").read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if len(line) > 72 and not line.startswith("[")] == []
        assert {former for former, line in pairwise(lines) if line.isupper()} == {""}
    assert "1.204" in (tmp_path / "controllers.txt").read_text(encoding="utf-8")
