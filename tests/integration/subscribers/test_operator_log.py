"""The operator's log: each command that reads or changes personal data leaves a row, and no row holds an address."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from cli import mailer
from docs.generate_cli import commands
from mailer import operator_log
from mailer.database import Database
from mailer.errors import InvalidInput, MailerError
from mailer.operator_log import Disclosure, OperatorAct, PeopleConcerned
from tests.support.campaign import SECRET
from tests.support.deliveries import SentCampaign
from tests.support.signed import write_key

EXAMPLES = Path(__file__).parents[3] / "examples"
WORDING = str(EXAMPLES / "wording.nl.txt")
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
JAN = "person1@example.com"

# Each command stands in one of these two. What reads or changes personal data is recorded: here with arguments, and with
# the number of people that its row has then.
PERSONAL: dict[str, tuple[tuple[str, ...], int]] = {
    "subscribers list": ((), 4),
    "subscribers show": ((JAN,), 1),
    "subscribers export": ((JAN,), 1),
    "consent history": ((JAN,), 1),
    "consent changes": (("--limit", "4"), 4),
    "privacy audit": (("--from", "2026-11-01", "--output", "audit.zip"), 4),
    "privacy breach": (("--since", "2026-11-01", "--output", "breach"), 4),
    "privacy disclose": ((JAN, "--to", "Court of Utrecht", "--ground", "order 2026/117"), 1),
    "deliveries list": (("notes",), 4),
    "deliveries skip": (("notes", "--id", "1"), 1),
    "deliveries resolve": (("notes", "--assume-sent"), 0),
    "subscribers import": (("people.csv", "--source", "form", "--wording", WORDING), 1),
    "subscribers sync": (("people.csv", "--source", "it", "--wording", WORDING, "--apply", "--yes"), 4),
    "consent grant": ((JAN, "--source", "by phone", "--wording", WORDING), 1),
    "consent prove": ((JAN,), 1),
    "subscribers rectify": ((JAN, "--surname", "Vries"), 1),
    "consent withdraw": ((JAN,), 1),
    "subscribers suppress": (("gone.txt", "--reason", "left the older list"), 1),
    "subscribers lift": (("gone@example.com", "--reason", "by mistake"), 1),
    "subscribers erase": (("person2@example.com", "--yes"), 1),
    "privacy hold add": ((JAN, "--ground", "claim 2026/117", "--until", "2126-06-01"), 1),
    "privacy hold list": ((), 1),
    "privacy hold release": (("1",), 1),
    "privacy purge": ((), 0),
    "privacy replay": (("--lost",), 1),
    "backup": (("copy.db",), 4),
    "restore": (("--yes",), 4),
    "webhooks add": (("https://portal.example.com/hook",), 0),
    "webhooks replay": (("ID",), 0),
    "keys api create": (("--name", "portal", "--scope", "changes:read"), 0),
}
# These show and change nobody's data; sending and serving have records of their own: a row of each delivery, an entry of
# each withdrawal.
NOT_PERSONAL = {
    "consent form",
    *("init", "demo", "doctor", "status", "upgrade", "run-due", "worker", "serve"),
    *(f"deploy {kind}" for kind in ("apache", "caddy", "cron", "nginx", "systemd")),
    *(f"keys {act}" for act in ("api list", "api revoke", "dkim", "ledger", "rotate")),
    *(
        f"consent {act}"
        for act in ("anchor", "sign", "verify", "wording add", "wording list", "wording show")
    ),
    *(f"webhooks {act}" for act in ("list", "remove", "resume", "rotate", "test")),
    *(
        f"campaigns {act}"
        for act in ("approve", "cancel", "create", "delete", "lint", "list", "pause", "preview")
    ),
    *(
        f"campaigns {act}"
        for act in ("proof", "report", "resume", "schedule", "send", "show", "status", "unschedule")
    ),
    *("campaigns new", "campaigns update", "archive export", "schema"),
    *("privacy log", "privacy notice", "privacy register"),
    *("themes eject", "themes list", "themes show"),
    *(f"digests {act}" for act in ("create", "delete", "list", "resolve", "run")),
}


class Installation:
    """A folder with a database of four people and a campaign to them."""

    def __init__(self, folder: Path) -> None:
        self.database = Database("sqlite:///mailer.db", folder)

    def run(self, command: str, *arguments: str) -> Result:
        return CliRunner().invoke(mailer, [*command.split(), *arguments])

    def acts(self) -> list[OperatorAct]:
        with self.database.read() as connection:
            return list(operator_log.read(connection))

    @contextmanager
    def refusing_acts(self) -> Iterator[None]:
        """The log can't be written meanwhile."""
        refuse = (
            "CREATE TRIGGER full BEFORE INSERT ON operator_act BEGIN SELECT RAISE(ABORT, 'disk I/O'); END"
        )
        with self.database.engine.begin() as connection:
            connection.execute(text(refuse))
        yield
        with self.database.engine.begin() as connection:
            connection.execute(text("DROP TRIGGER full"))


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_database: Database) -> Installation:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILER_SECRET_KEYS", SECRET)
    (tmp_path / "gone.txt").write_text("gone@example.com\n")
    write_key(tmp_path)
    SentCampaign(sqlite_database, 4)
    (tmp_path / "people.csv").write_text("email,opted_in,opted_in_at\nnew@example.com,yes,2026-05-01\n")
    return Installation(tmp_path)


def test_every_command_is_declared_as_personal_or_not() -> None:
    paths = {
        context.command_path.partition(" ")[2]
        for command, context in commands()
        if not isinstance(command, click.Group)
    }
    assert paths - PERSONAL.keys() - NOT_PERSONAL == set()  # declare a new command above
    assert PERSONAL.keys() | NOT_PERSONAL == paths
    assert not PERSONAL.keys() & NOT_PERSONAL


def test_every_command_with_personal_data_leaves_a_row_without_an_address(installation: Installation) -> None:
    for number, (command, (arguments, people)) in enumerate(PERSONAL.items(), 1):
        given = arguments
        if "ID" in arguments:
            [listed] = json.loads(installation.run("webhooks list", "--json").stdout)["webhooks"]
            given = (listed["id"],)
        result = installation.run(command, *given)
        assert result.exit_code == 0, (command, result.output, result.exception)
        acts = installation.acts()
        assert len(acts) == number
        assert (acts[-1].command, acts[-1].people, acts[-1].login) == (command, people, operator_log.login())
    rows = installation.run("privacy log")
    assert rows.stdout.count("\n") == len(PERSONAL) + 3
    assert "@" not in rows.stdout


@pytest.mark.parametrize(
    "command", ["subscribers list", "subscribers export", "consent prove", "deliveries list"]
)
def test_what_can_not_be_recorded_is_not_given_out(installation: Installation, command: str) -> None:
    with installation.refusing_acts():
        result = installation.run(command, *PERSONAL[command][0])
    assert isinstance(result.exception, MailerError)
    assert "operator's log can't be written" in str(result.exception)
    assert "example.com" not in result.output


@pytest.mark.parametrize("command", ["consent withdraw", "subscribers erase", "subscribers suppress"])
def test_a_log_that_can_not_be_written_keeps_nobody_from_leaving(
    installation: Installation, command: str
) -> None:
    with installation.refusing_acts():
        result = installation.run(command, *PERSONAL[command][0])
    assert result.exit_code == 0
    assert installation.acts() == []


def test_a_disclosure_is_recorded_before_the_data_and_is_seen_by_the_person(
    installation: Installation,
) -> None:
    disclosed = installation.run("privacy disclose", *PERSONAL["privacy disclose"][0])
    assert json.loads(disclosed.stdout)["email"] == JAN
    [act] = installation.acts()
    assert (act.disclosed_to, act.ground) == ("Court of Utrecht", "order 2026/117")
    exported = json.loads(installation.run("subscribers export", JAN).stdout)
    assert [(one["to"], one["ground"]) for one in exported["disclosures"]] == [(act.disclosed_to, act.ground)]
    shown = installation.run("subscribers show", JAN).stdout
    assert "disclosed to Court of Utrecht" in shown


@pytest.mark.parametrize("option", ["--to", "--ground"])
def test_a_disclosure_that_names_an_address_is_refused_and_prints_nothing(
    installation: Installation, option: str
) -> None:
    arguments = [JAN, "--to", "a court", "--ground", "an order"]
    arguments[arguments.index(option) + 1] = "clerk@court.example"
    result = installation.run("privacy disclose", *arguments)
    assert isinstance(result.exception, InvalidInput)
    assert "clerk" not in str(result.exception)
    assert not result.output
    assert installation.acts() == []


def test_the_log_is_filtered_by_time(installation: Installation) -> None:
    with installation.database.write() as connection:
        for hours in range(4):
            operator_log.record(
                connection, "subscribers show", PeopleConcerned.of([hours]), NOW + timedelta(hours=hours)
            )
    since, until = ("--since", "2026-11-28T13:00Z"), ("--until", "2026-11-28T15:00Z")
    acts = json.loads(installation.run("privacy log", *since, *until, "--json").stdout)["acts"]
    assert [act["subscriber_ids"] for act in acts] == [[1], [2]]


def test_a_row_holds_the_ids_of_ten_people_and_of_eleven_their_number() -> None:
    assert (PeopleConcerned.of(range(10)).ids, PeopleConcerned.of(range(11)).ids) == (range(10), ())
    assert PeopleConcerned.of(range(11)).number == 11


def test_an_act_that_was_broken_off_has_no_number(installation: Installation) -> None:
    result = installation.run("backup", "no-such-folder/copy.db")
    assert result.exception
    assert [(act.command, act.people) for act in installation.acts()] == [("backup", None)]


def test_acts_and_disclosures_are_deleted_at_their_own_ends(database: Database) -> None:
    day = timedelta(days=1)
    with database.write() as connection:
        for age in (1, 3):
            people = PeopleConcerned.of([7])
            operator_log.record(connection, "subscribers show", people, NOW - age * day)
            operator_log.record(
                connection, "privacy disclose", people, NOW - age * day, Disclosure("a court", "x")
            )
        for kind in operator_log.expired(NOW - 2 * day, NOW - 4 * day):
            kind.delete(connection, kind.find(connection, None, 10))
        assert len(list(operator_log.read(connection))) == 3
        assert len(operator_log.disclosures_of(connection, 7)) == 2
        assert operator_log.last_of(connection, "subscribers show") == NOW - day
