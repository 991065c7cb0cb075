"""A command says on a terminal what takes long, and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from mailer.database import Database

ROOT = Path(__file__).parents[3]
COMMAND = "from mailer.commands import waiting; waiting.DELAY = {delay}; from cli import main; main()"


def upgraded(database: Database, folder: Path, delay: float, messages: int) -> None:
    """Run `mailer upgrade`, which writes its messages to `messages`, and to a terminal what takes longer than `delay`."""
    (folder / "mailer.toml").write_text(f'database_url = "{database.url}"\n', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", COMMAND.format(delay=delay), "upgrade"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=messages,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm"},
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "database: up to date\n"


def on_terminal(database: Database, folder: Path, delay: float) -> str:
    """What a terminal gets."""
    reader, writer = pty.openpty()
    try:
        upgraded(database, folder, delay, writer)
        os.close(writer)
        written = b""
        with suppress(OSError):  # the end of a terminal
            while piece := os.read(reader, 65_536):
                written += piece
        return written.decode()
    finally:
        os.close(reader)


def test_what_takes_long_is_shown_on_a_terminal_and_taken_away(
    sqlite_database: Database, tmp_path: Path
) -> None:
    written = on_terminal(sqlite_database, tmp_path, 0)
    assert "Upgrading the database ..." in written
    assert written.rstrip("\r").endswith("\x1b[2K")  # the line is empty again


def test_what_is_quick_is_not_shown(sqlite_database: Database, tmp_path: Path) -> None:
    assert on_terminal(sqlite_database, tmp_path, 30) == ""


def test_nothing_is_shown_where_there_is_no_terminal(sqlite_database: Database, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+", encoding="utf-8") as log:
        upgraded(sqlite_database, tmp_path, 0, log.fileno())
        assert log.read() == ""
