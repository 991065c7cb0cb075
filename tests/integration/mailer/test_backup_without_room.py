"""`mailer backup` and `mailer restore` on a disk that becomes full: they say so, and leave nothing behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailer.backup.restore import restore
from mailer.backup.snapshot import take
from mailer.database import Database
from mailer.errors import MailerError
from tests.support.small_disk import fill, small_disk

STEP = 32 * 1024  # bytes


def back_up(database: Database, disk: Path, _backup: Path) -> None:
    take(database, disk / "backup.db")


def put_back(database: Database, _disk: Path, backup: Path) -> None:
    restore(database, backup, lambda _: None, datetime.now(UTC))


@pytest.mark.parametrize("work", [back_up, put_back])
def test_a_disk_without_room_is_named_and_nothing_is_left(
    tmp_path: Path, sqlite_template: Path, work: Callable[[Database, Path, Path], None]
) -> None:
    with small_disk(tmp_path) as disk:
        path = disk / "mailer.db"
        shutil.copyfile(sqlite_template, path)
        size, room, failures = path.stat().st_size, 0, 0
        with closing(Database(f"sqlite:///{path}")) as database, database.read():
            filler = fill(disk)
            full = filler.stat().st_size
            before = {one.name for one in disk.iterdir()}
            while room < 4 * size:
                os.truncate(filler, full - room)
                problem = problem_of(lambda: work(database, disk, sqlite_template))
                if problem is None:
                    break
                assert "damaged" not in problem, room
                assert ".new" not in problem, "it has a name that nobody gave"
                assert {one.name for one in disk.iterdir()} - before <= former(disk), room
                failures += 1
                for one in former(disk):
                    (disk / one).unlink()
                room += STEP
        assert failures >= size // STEP


def problem_of(do: Callable[[], None]) -> str | None:
    try:
        do()
    except MailerError as error:
        return str(error)
    return None


def former(disk: Path) -> set[str]:
    return {one.name for one in disk.glob("mailer.db.before-restore-*")}
