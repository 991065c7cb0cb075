"""The signed checkpoint: who can write to the database and has not the key can't add, change or remove entries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from mailer.config import ledger_key
from mailer.database import Database
from mailer.errors import ConfigurationError, MailerError, Refused
from subscribers import ledger
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import BrokenEntry, HeadFile, LedgerSigner, NewEvent
from subscribers.ledger.checkpoint import parse_checkpoint
from subscribers.ledger.tree import EMPTY
from tests.support.campaign import TOPIC, agree, subscribe, withdraw
from tests.support.signed import LEDGER_KEY, signed
from tests.support.tampering import tamper


def problem(database: Database, check: Callable[..., object] = ledger.verify) -> tuple[int, str]:
    with database.read() as connection, pytest.raises(BrokenEntry) as found:
        check(connection)
    return found.value.entry_id, found.value.problem


def checkpoint(database: Database) -> str | None:
    with database.read() as connection:
        note: str | None = connection.execute(text("SELECT signed FROM ledger_checkpoint")).scalar_one()
    return note


def is_ahead(database: Database, folder: Path) -> bool:
    with database.read() as connection:
        return HeadFile(database, folder / "mailer.head").is_ahead(connection)


def without_key(database: Database, act: Callable[[], object]) -> None:
    """Do what somebody does who has this program and the database, and not the key."""
    database.attach(LedgerSigner(lambda: None))
    with database.write() as connection:
        note = connection.execute(text("SELECT signed FROM ledger_checkpoint")).scalar_one()
        connection.execute(text("UPDATE ledger_checkpoint SET signed = NULL"))
    act()
    with database.write() as connection:
        connection.execute(text("UPDATE ledger_checkpoint SET signed = :note"), {"note": note})
    signed(database)


def test_each_append_signs_the_size_and_the_root(database: Database) -> None:
    assert checkpoint(database) is None
    people = subscribe(database, 3)
    withdraw(database, people[1])
    note = checkpoint(database)
    assert note is not None
    opened = parse_checkpoint(LEDGER_KEY.open(note) or "")
    assert opened is not None
    with database.read() as connection:
        assert (opened.size, opened.root.hex()) == ledger.head(connection)
        assert ledger.verify(connection).signed == 4
        assert ledger.verify_quickly(connection).signed == 4


@pytest.mark.parametrize("check", [ledger.verify, ledger.verify_quickly])
def test_a_consent_that_was_added_without_the_key_is_named_and_nothing_is_built_on_it(
    database: Database, check: Callable[..., object]
) -> None:
    people = subscribe(database, 2)
    withdraw(database, people[1])
    without_key(database, lambda: agree(database, people[1]))
    assert problem(database, check) == (4, "it was added without the key that signs the ledger")
    with pytest.raises(BrokenEntry, match="added without the key"):
        agree(database, people[0], topic="other")
    withdraw(database, people[0])  # leaving works all the same, and signs nothing
    assert problem(database, check)[0] == 4


def test_a_ledger_written_anew_with_its_tree_is_not_the_one_that_was_signed(
    sqlite_database: Database,
) -> None:
    subscribe(sqlite_database, 3)
    with sqlite_database.read() as connection:
        entries = [
            ledger.make_entry(one.id, replace(one.event, channel=Channel.API), one.recorded_at)
            for one in ledger.entries(connection)
        ]
    frontier = EMPTY.extended([bytes.fromhex(one.hash) for one in entries])
    tamper(
        sqlite_database,
        *(
            f"UPDATE consent_event SET channel = 'api', hash = '{one.hash}' WHERE id = {one.id}"
            for one in entries
        ),
        f"UPDATE ledger_checkpoint SET root = '{frontier.root.hex()}', frontier = x'{frontier.encode().hex()}'",
    )
    for check in (ledger.verify, ledger.verify_quickly):
        assert problem(sqlite_database, check) == (3, "the entries up to it are not those that were signed")


def test_entries_that_were_cut_off_with_their_checkpoint_are_missing(sqlite_database: Database) -> None:
    people = subscribe(sqlite_database, 3)
    with sqlite_database.read() as connection:
        frontier = connection.execute(text("SELECT size, root, hex(frontier) FROM ledger_checkpoint")).one()
    withdraw(sqlite_database, people[2])
    tamper(
        sqlite_database,
        "DELETE FROM consent_event WHERE id = 4",
        "UPDATE consent SET state = 'granted', event_id = 3 WHERE subscriber_id = 3",
        f"UPDATE ledger_checkpoint SET size = 3, root = '{frontier.root}', frontier = x'{frontier[2]}'",
    )
    assert problem(sqlite_database)[0] == 4


@pytest.mark.parametrize(
    "change",
    [
        "NULL",
        "replace(signed, '1', '2')",
        "'nonsense'",
        "signed || ' '",
        "replace(signed, 'ledger', 'Ledger')",
    ],
)
def test_a_checkpoint_without_its_signature_is_none(sqlite_database: Database, change: str) -> None:
    people = subscribe(sqlite_database, 1)
    tamper(sqlite_database, f"UPDATE ledger_checkpoint SET signed = {change}")
    for check in (ledger.verify, ledger.verify_quickly):
        assert "sign" in problem(sqlite_database, check)[1]
    with pytest.raises(BrokenEntry):
        agree(sqlite_database, people[0], topic="other")


def test_withdrawals_are_recorded_without_the_key_and_signed_by_the_next_append_that_has_it(
    database: Database,
) -> None:
    people = subscribe(database, 3)
    signed(database, None)
    withdraw(database, people[0])
    with pytest.raises(ConfigurationError, match="key that signs the consent ledger is missing"):
        agree(database, people[0])
    with database.read() as connection:
        assert (people[0], TOPIC) in ledger.statuses(connection, people)
        assert ledger.statuses(connection, people)[people[0], TOPIC].state is ConsentKind.WITHDRAWN
    signed(database)
    assert problem(database) == (4, "it was recorded without the key that signs the ledger")
    agree(database, people[1], topic="other")
    with database.read() as connection:
        assert ledger.verify(connection).signed == 5


def test_a_ledger_of_another_key_takes_withdrawals_only(sqlite_database: Database) -> None:
    people = subscribe(sqlite_database, 2)
    signed(sqlite_database, ledger_key.fresh("example.com"))
    with pytest.raises(BrokenEntry, match="signed by another key, or altered"):
        agree(sqlite_database, people[0], topic="other")
    withdraw(sqlite_database, people[0])
    signed(sqlite_database)
    with sqlite_database.write() as connection:
        event = NewEvent(people[1], TOPIC, ConsentKind.WITHDRAWN, datetime.now(UTC), Channel.PAGE)
        ledger.append(connection, [event], datetime.now(UTC))
    with sqlite_database.read() as connection:
        assert ledger.verify(connection).signed == 4


def test_a_ledger_of_before_its_key_is_signed_once_by_command(
    sqlite_database: Database, tmp_path: Path
) -> None:
    head = HeadFile(sqlite_database, tmp_path / "mailer.head")
    without_key(sqlite_database, lambda: subscribe(sqlite_database, 2))
    assert problem(sqlite_database)[0] == 1
    with sqlite_database.write() as connection:
        assert ledger.sign_as_it_is(connection, head) == 2
    head.note()
    with sqlite_database.read() as connection:
        assert ledger.verify(connection).signed == 2
    tamper(sqlite_database, "UPDATE ledger_checkpoint SET signed = NULL")
    with sqlite_database.write() as connection, pytest.raises(Refused, match="signed before"):
        ledger.sign_as_it_is(connection, head)


def test_the_head_file_finds_a_database_that_was_rolled_back_with_its_signature(
    sqlite_database: Database, tmp_path: Path
) -> None:
    people = subscribe(sqlite_database, 3)
    head = HeadFile(sqlite_database, tmp_path / "mailer.head")
    sqlite_database.copy_file(tmp_path / "before.db")
    withdraw(sqlite_database, people[0])
    head.note()
    with sqlite_database.read() as connection:
        assert head.check(connection) == 4
    rolled_back = signed(Database(f"sqlite:///{tmp_path / 'before.db'}"))
    with rolled_back.read() as connection:
        assert ledger.verify(connection).signed == 3
        with pytest.raises(BrokenEntry, match="entry 4: it is missing"):
            head.check(connection)
    assert is_ahead(rolled_back, tmp_path)
    withdraw(rolled_back, people[1])  # as long as before, along another way
    with rolled_back.read() as connection, pytest.raises(BrokenEntry, match=r"not those of .*mailer\.head"):
        head.check(connection)
    HeadFile(rolled_back, tmp_path / "mailer.head").note(at_once=True)
    assert is_ahead(rolled_back, tmp_path)
    rolled_back.close()


def test_the_head_file_finds_a_withdrawal_that_was_removed_before_the_last_entry(
    sqlite_database: Database, tmp_path: Path
) -> None:
    people = subscribe(sqlite_database, 3)
    withdraw(sqlite_database, people[0])
    agree(sqlite_database, people[1], topic="other")
    HeadFile(sqlite_database, tmp_path / "mailer.head").note()
    assert not is_ahead(sqlite_database, tmp_path)
    tamper(sqlite_database, "DELETE FROM consent_event WHERE id = 4")
    assert is_ahead(sqlite_database, tmp_path)


def test_the_head_file_never_holds_what_was_added_without_the_key(
    sqlite_database: Database, tmp_path: Path
) -> None:
    people = subscribe(sqlite_database, 2)
    head = HeadFile(sqlite_database, tmp_path / "mailer.head")
    head.note()
    without_key(sqlite_database, lambda: agree(sqlite_database, people[0], topic="other"))
    head.note(at_once=True)
    with sqlite_database.read() as connection:
        assert head.check(connection) == 2
    tamper(sqlite_database, "UPDATE ledger_checkpoint SET signed = NULL")
    head.note(at_once=True)
    with sqlite_database.read() as connection:
        assert head.check(connection) == 2


def test_a_head_file_of_another_hand_is_named(sqlite_database: Database, tmp_path: Path) -> None:
    subscribe(sqlite_database, 2)
    path = tmp_path / "mailer.head"
    HeadFile(sqlite_database, path).note()
    path.write_text(path.read_text().replace("example.com", "example.org"), encoding="ascii")
    with (
        sqlite_database.read() as connection,
        pytest.raises(MailerError, match="signed by another key, or altered"),
    ):
        HeadFile(sqlite_database, path).check(connection)


def test_who_wrote_the_head_file_sees_that_the_ledger_goes_on_and_that_it_took_another_way(
    sqlite_database: Database, tmp_path: Path
) -> None:
    people = subscribe(sqlite_database, 3)
    head = HeadFile(sqlite_database, tmp_path / "mailer.head")
    head.note(at_once=True)
    withdraw(sqlite_database, people[0])
    with sqlite_database.read() as connection:
        assert not head.is_ahead(connection)
    other = EMPTY.extended([bytes([number] * 32) for number in range(5)])
    tamper(
        sqlite_database,
        f"UPDATE ledger_checkpoint SET size = 5, root = '{other.root.hex()}', frontier = x'{other.encode().hex()}'",
    )
    with sqlite_database.read() as connection:
        assert head.is_ahead(connection)
