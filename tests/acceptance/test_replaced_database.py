"""A backup that is put in the place of the database while mails are sent: nobody who left in it gets one."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mailer.database import Database
from tests.support.campaign import (
    counts,
    dispatch_for,
    draft,
    settings_for,
    subscribe,
    threaded,
    withdraw,
    write_config,
)
from tests.support.installed import InstalledMailer
from tests.support.relay import FaultyRelay

PEOPLE = 400
SENDERS = {
    "send": ("campaigns", "send", "notes", "--yes"),
    "run-due": ("run-due",),
    "worker": ("worker", "--every", "0.2"),
}
ANOTHER = "Another file was put in the place of the database"


def put_in_place(backup: Path, path: Path) -> None:
    backup.rename(path)
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)


def take_away(_backup: Path, path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


@pytest.mark.parametrize("command", SENDERS)
def test_nobody_is_mailed_from_a_file_that_another_one_replaced(
    mailer: InstalledMailer, tmp_path: Path, command: str
) -> None:
    sent, errors, code = mailed_after(mailer, tmp_path, command, put_in_place)
    assert sent < PEOPLE / 4
    assert ANOTHER in errors
    if command == "worker":  # it goes on with the file that is there now, in which all have left
        assert code in {0, -signal.SIGTERM}
    else:
        assert code == 1
    database = Database("sqlite:///mailer.db", tmp_path)
    status = counts(database)
    database.close()
    assert (status.accepted, status.uncertain) == (0, 0)


def test_nobody_is_mailed_from_a_file_that_was_taken_away(mailer: InstalledMailer, tmp_path: Path) -> None:
    sent, errors, code = mailed_after(mailer, tmp_path, "send", take_away)
    assert (sent < PEOPLE / 4, ANOTHER in errors, code) == (True, True, 1)


def mailed_after(
    mailer: InstalledMailer, folder: Path, command: str, change: Callable[[Path, Path], None]
) -> tuple[int, str, int]:
    """How many mails go out after `change` in the midst of a run, what the run prints, and its exit code."""
    path = folder / "mailer.db"
    with threaded(FaultyRelay(pipelining=True)) as relay:
        relay.slowness = 0.1  # 40 mails a second; a run looks at the file each second
        write_config(folder, relay.port)
        mailer.run("init", cwd=folder)
        database = Database("sqlite:///mailer.db", folder)
        everybody = subscribe(database, PEOPLE)
        draft(database)
        dispatch_for(database, settings_for(relay.port)).start("notes")
        database.copy_file(folder / "backup.db")
        database.close()
        left = Database("sqlite:///backup.db", folder)
        withdraw(left, *everybody)
        left.close()
        process = mailer.start(*SENDERS[command], cwd=folder)
        await_that(lambda: bool(relay.accepted), process)
        change(folder / "backup.db", path)
        before = len(relay.accepted)
        if command == "worker":
            time.sleep(3)
            process.terminate()
        _, errors = process.communicate(timeout=60)
        return len(relay.accepted) - before, errors, process.returncode


def await_that(holds: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
