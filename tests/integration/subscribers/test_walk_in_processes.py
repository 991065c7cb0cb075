"""A large ledger is hashed anew by several processes, which find what one process finds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from mailer.database import Database
from mailer.errors import Refused
from subscribers.ledger import refuse_freezing_if_unsafe, walk_in_processes
from subscribers.ledger.walk import BATCH
from subscribers.ledger.walk_in_processes import gives_checkpoint
from tests.support.campaign import subscribe
from tests.support.tampering import tamper

ENTRIES = 3 * BATCH + 20


def gives(database: Database, processes: int | None = None) -> bool:
    with database.read() as connection:
        return gives_checkpoint(connection, database, processes)


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes for a ledger that is not large, also on one processor."""
    monkeypatch.setattr(walk_in_processes, "ENTRIES_A_PROCESS", ENTRIES // 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


@pytest.mark.parametrize("entries", [3 * BATCH, 3 * BATCH + 1, 4 * BATCH - 1, 4 * BATCH])
def test_processes_find_the_checkpoint_s_tree(database: Database, entries: int) -> None:
    subscribe(database, entries)
    assert gives(database, 2)
    assert gives(database, 3)


def test_a_small_ledger_starts_no_process(database: Database) -> None:
    subscribe(database, 2)
    assert not gives(database)


@pytest.mark.parametrize("line", [1, BATCH + 1, 2 * BATCH, ENTRIES - 1])
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE consent_event SET channel = 'api'",
        "DELETE FROM consent_event",
        "UPDATE consent_event SET topic = 'x'",
    ],
)
@pytest.mark.usefixtures("two_processes")
def test_an_altered_entry_is_found_in_each_part_and_named(
    sqlite_database: Database, line: int, change: str
) -> None:
    subscribe(sqlite_database, ENTRIES)
    refuse_freezing_if_unsafe(sqlite_database)
    tamper(sqlite_database, f"{change} WHERE id = {line}")
    assert not gives(sqlite_database, 2)
    with pytest.raises(Refused, match=f"(line|entry) {line}\\b"):
        refuse_freezing_if_unsafe(sqlite_database)


@pytest.mark.usefixtures("two_processes")
def test_an_entry_with_a_new_hash_of_its_own_is_found(sqlite_database: Database) -> None:
    subscribe(sqlite_database, ENTRIES)
    swapped = "(SELECT {0} FROM consent_event AS other WHERE other.id = 5)"
    columns = ("subject", "hash")
    tamper(
        sqlite_database,
        "UPDATE consent_event SET "
        + ", ".join(f"{name} = {swapped.format(name)}" for name in columns)
        + " WHERE id = 4",
    )
    assert not gives(sqlite_database, 2)


@pytest.mark.parametrize(
    "command",
    [
        "raise SystemExit(1)",
        "import os; os.kill(os.getpid(), 9)",
        "pass",
        "import sys; sys.stdout.write('x' * 31)",
        "import sys; sys.stdout.write('x' * 32)",
        "import sys; sys.stdout.write('x' * 100_000)",
    ],
)
@pytest.mark.usefixtures("two_processes")
def test_where_a_process_fails_this_one_walks_the_whole_ledger(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    subscribe(sqlite_database, ENTRIES)
    monkeypatch.setattr(walk_in_processes, "_COMMAND", command)
    assert not gives(sqlite_database, 2)
    refuse_freezing_if_unsafe(sqlite_database)


def test_where_no_process_can_be_started_this_one_walks_the_whole_ledger(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(sqlite_database, ENTRIES)
    monkeypatch.setattr(sys, "executable", "/no/python")
    assert not gives(sqlite_database, 2)


def test_the_database_s_password_is_not_in_the_arguments_or_the_environment(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    real: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen

    def popen(arguments: list[str], **options: dict[str, str]) -> subprocess.Popen[bytes]:
        given.extend([*arguments, *options["env"].values()])
        return real(arguments, **options)

    subscribe(postgresql_database, ENTRIES)
    monkeypatch.setattr(subprocess, "Popen", popen)
    monkeypatch.setenv("MAILER_DATABASE_URL", "postgresql://somebody:secret@example.com/x")
    assert gives(postgresql_database, 2)
    assert given
    assert not [one for one in given if "secret" in one or (postgresql_database.url.database or "") in one]
