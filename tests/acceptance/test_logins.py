"""Approval by two people who have different logins on the machine."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mailer.database import Database
from tests.support.campaign import draft, subscribe, write_config
from tests.support.installed import InstalledMailer

LOGINS = ("daemon", "bin")  # every Unix has them
CAPABILITY = "+dac_override"  # to use the test's folders, which belong to another user


@pytest.fixture
def approve(mailer: InstalledMailer, tmp_path: Path) -> Callable[[str, str], str]:
    """Runs `mailer campaigns approve` with a login and a name; returns what it prints."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can run a command with another login, by setpriv")

    def run(login: str, name: str) -> str:
        user = pwd.getpwnam(login)
        done = subprocess.run(
            [
                *("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
                *(f"--inh-caps={CAPABILITY}", f"--ambient-caps={CAPABILITY}"),
                *(mailer.command, "campaigns", "approve", "notes", "--as", name),
            ],
            cwd=tmp_path,
            env=mailer.environment({"MAILER_REQUIRE_APPROVAL": "2"}),
            capture_output=True,
            encoding="utf-8",
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_one_login_is_one_person_and_two_are_two(
    approve: Callable[[str, str], str], sqlite_database: Database, tmp_path: Path
) -> None:
    write_config(tmp_path, 9)  # nothing is sent
    subscribe(sqlite_database, 1)
    draft(sqlite_database)
    assert "waits for the approval of 1 more person" in approve(LOGINS[0], "Ada")
    assert "waits for the approval of 1 more person" in approve(LOGINS[0], "Bram")
    assert "waits" not in approve(LOGINS[1], "Cleo")
    with sqlite_database.read() as connection:
        rows = connection.exec_driver_sql("SELECT name, login FROM campaign_approval ORDER BY id").all()
    assert [tuple(row) for row in rows] == [("Ada", "daemon"), ("Bram", "daemon"), ("Cleo", "bin")]
