"""A SQLite database on a disk that has become read-only: it can be read and backed up, and nothing else is given out."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from cli import mailer
from mailer import operator_log
from mailer.database import Database, sqlite_file
from mailer.database.read_only_disk import is_unchanging
from mailer.errors import MailerError, TryAgainLater
from subscribers.kinds import Channel
from subscribers.self_service import unsubscribe
from subscribers.self_service.unsubscribe import Withdrawal
from tests.support.campaign import SECRET
from tests.support.deliveries import SentCampaign
from tests.support.links import target_of
from tests.support.signed import write_key
from tests.support.small_disk import fill, small_disk

PEOPLE = 3
INDEX_BYTES = 32 * 1024
JAN = "person1@example.com"


@pytest.fixture
def disk(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, with a database of three people and a campaign to them."""
    with small_disk(tmp_path) as disk:
        (disk / "mailer.db").write_bytes(sqlite_template.read_bytes())
        monkeypatch.chdir(disk)
        monkeypatch.setenv("MAILER_SECRET_KEYS", SECRET)
        write_key(disk)
        with closing(Database("sqlite:///mailer.db", disk)) as database:
            SentCampaign(database, PEOPLE)
        yield disk


def mount_again(disk: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", disk], check=True)


def leave_a_log(path: Path) -> None:
    """Have a process killed that has just written: SQLite's log and its index stay."""
    child = os.fork()
    if child == 0:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("UPDATE subscriber SET surname = 'in the log'")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert path.with_name("mailer.db-wal").stat().st_size


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(mailer, [str(one) for one in arguments])


def surnames(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT surname FROM subscriber")}


@pytest.mark.parametrize("has_log", [False, True])
def test_a_backup_is_made_and_says_that_the_log_lacks_it(disk: Path, tmp_path: Path, has_log: bool) -> None:
    if has_log:
        leave_a_log(disk / "mailer.db")
    mount_again(disk, "ro")
    taken = run("backup", tmp_path / "copy.db", "--json")
    assert taken.exit_code == 0, taken.exception
    assert json.loads(taken.stdout)["recorded"] is False
    assert "operator's log can't be written" in taken.stderr
    assert "read-only" in taken.stderr
    assert ("in the log" in surnames(tmp_path / "copy.db")) == has_log
    with closing(Database(f"sqlite:///{tmp_path / 'copy.db'}")) as copy, copy.read() as connection:
        assert operator_log.everybody(connection).number == PEOPLE


@pytest.mark.parametrize("has_log", [False, True])
def test_what_names_nobody_is_shown_and_personal_data_are_refused(
    disk: Path, tmp_path: Path, has_log: bool
) -> None:
    if has_log:
        leave_a_log(disk / "mailer.db")
    mount_again(disk, "ro")
    for command in ("consent verify", "campaigns list", "campaigns report notes", "status", "privacy log"):
        shown = run(*command.split())
        assert shown.exception is None or isinstance(shown.exception, SystemExit), (command, shown.exception)
    audit = ("privacy", "audit", "--from", "2026-11-01", "--output", tmp_path / "audit.zip")
    for arguments in (
        ("subscribers", "list"),
        ("subscribers", "export", JAN),
        ("consent", "prove", JAN),
        audit,
    ):
        refused = run(*arguments)
        assert "operator's log can't be written" in str(refused.exception), arguments
        assert "example.com" not in refused.output
    assert not (tmp_path / "audit.zip").exists()


def test_a_copy_elsewhere_gives_out_what_its_own_log_then_has(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount_again(disk, "ro")
    run("backup", tmp_path / "copy.db")
    monkeypatch.setenv("MAILER_DATABASE_URL", f"sqlite:///{tmp_path / 'copy.db'}")
    assert json.loads(run("subscribers", "export", JAN).stdout)["email"] == JAN
    with closing(Database(f"sqlite:///{tmp_path / 'copy.db'}")) as copy, copy.read() as connection:
        assert [act.command for act in operator_log.read(connection)] == ["subscribers export"]


def test_a_backup_is_made_where_the_disk_is_full(disk: Path, tmp_path: Path) -> None:
    """SQLite's index of its log takes 32 kB: another process has made it, as `mailer serve` does, or there is room for it."""
    with closing(Database("sqlite:///mailer.db", disk)) as serving, serving.read():
        fill(disk)
        while not (taken := run("backup", tmp_path / f"{len(taken_before(tmp_path))}.db", "--json")).stderr:
            assert taken.exit_code == 0  # the log still had room for the record
        assert taken.exit_code == 0, taken.exception
        assert json.loads(taken.stdout)["recorded"] is False
        assert "full" in taken.stderr
    filler = fill(disk)
    os.truncate(filler, filler.stat().st_size - INDEX_BYTES)
    last = run("backup", tmp_path / "last.db")
    assert last.exit_code == 0, last.exception
    assert "operator's log can't be written" in last.stderr


def taken_before(folder: Path) -> list[Path]:
    return list(folder.glob("*.db"))


def test_writing_is_refused_and_works_again_with_the_disk(disk: Path) -> None:
    database = Database("sqlite:///mailer.db", disk)
    mount_again(disk, "ro")
    with database.read() as connection:
        assert operator_log.everybody(connection).number == PEOPLE
    with pytest.raises(MailerError, match="is read-only"):
        database.require_writable()
    mount_again(disk, "rw")
    with database.write() as connection:
        connection.execute(text("UPDATE subscriber SET surname = 'new'"))
    database.close()
    assert surnames(disk / "mailer.db") == {"new"}


async def test_the_pages_read_such_a_disk_and_see_what_is_written_once_it_takes_writes(disk: Path) -> None:
    database = Database("sqlite:///mailer.db", disk)

    async def surname() -> str:
        async with database.session() as session:
            connection = await session.connection()
            found = await connection.execute(text("SELECT surname FROM subscriber LIMIT 1"))
            return str(found.scalar_one())

    mount_again(disk, "ro")
    before = await surname()
    mount_again(disk, "rw")
    leave_a_log(disk / "mailer.db")
    assert (await surname(), before != "in the log") == ("in the log", True)
    await database.aclose()


def test_no_withdrawal_is_said_to_be_recorded_on_such_a_disk(disk: Path) -> None:
    database = Database("sqlite:///mailer.db", disk)
    asked = [Withdrawal(target_of(database, 1), Channel.ONE_CLICK)]
    database.close()
    mount_again(disk, "ro")

    def leave() -> None:
        with database.write() as connection:
            unsubscribe.apply_requests(connection, asked, database.clock()())

    with pytest.raises(MailerError, match="read-only"):
        leave()  # a line of the log that says so fails the test (tests/conftest.py)
    database.close()


def test_a_copy_during_which_the_disk_takes_writes_again_is_not_taken_for_a_whole_one(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = sqlite_file.copy

    def copy_and_mount(*arguments: Any, **options: Any) -> None:
        copy(*arguments, **options)
        mount_again(disk, "rw")

    monkeypatch.setattr(sqlite_file, "copy", copy_and_mount)
    mount_again(disk, "ro")
    taken = run("backup", tmp_path / "copy.db")
    assert isinstance(taken.exception, TryAgainLater)
    assert not list(tmp_path.glob("copy.db*"))


def test_a_disk_that_takes_writes_or_a_database_with_a_log_may_change(disk: Path) -> None:
    path = str(disk / "mailer.db")
    assert not is_unchanging(path)
    mount_again(disk, "ro")
    assert is_unchanging(path)
    mount_again(disk, "rw")
    leave_a_log(disk / "mailer.db")
    mount_again(disk, "ro")
    assert not is_unchanging(path)
    assert not is_unchanging(str(disk / "none.db"))
