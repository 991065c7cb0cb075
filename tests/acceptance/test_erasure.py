"""Erased means erased on disk: with `mailer serve` running, no file of the installation holds the person any
more.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.installed import InstalledMailer

PEOPLE = 3000
GONE = "Zylphia.Quandrose@leaving-house.example"
NEW = "zylphia@arriving-house.example"
NAME = "Quandrosenbergh"


@pytest.fixture
def home(mailer: InstalledMailer, tmp_path: Path) -> Path:
    """An installation with many people on file, one of whom leaves."""
    mailer.run("init", cwd=tmp_path)
    rows = [f"Jan,De Vries,person{number}@example.com,yes,2026-05-01" for number in range(PEOPLE)]
    rows.insert(PEOPLE // 2, f"Zylphia,{NAME},{GONE},yes,2026-05-01")
    (tmp_path / "wording.txt").write_text("Yes, mail me.", encoding="utf-8")
    people = tmp_path / "people.csv"
    people.write_text("\n".join(["first_name,surname,email,opted_in,opted_in_at", *rows]), encoding="utf-8")
    mailer.run("subscribers", "import", people, "--source", "x", "--wording", "wording.txt", cwd=tmp_path)
    people.unlink()
    return tmp_path


def files_with(folder: Path, needle: str) -> list[str]:
    """The files below `folder` that hold `needle`, in whatever case."""
    return [
        path.name
        for path in sorted(folder.rglob("*"))
        if path.is_file() and needle.lower().encode() in path.read_bytes().lower()
    ]


@pytest.mark.parametrize(
    "command",
    [("erase", GONE, "--yes"), ("rectify", GONE, "--email", NEW, "--surname", "Other")],
    ids=["erase", "change of address"],
)
def test_no_file_holds_who_was_erased_while_the_pages_are_served(
    mailer: InstalledMailer, home: Path, command: tuple[str, ...]
) -> None:
    log = home / "serve.log"
    with (
        log.open("wb") as output,
        mailer.start("serve", "--port", "0", "--access-log", cwd=home, stdout=None, stderr=output) as process,
    ):
        try:
            while b"Listening" not in log.read_bytes():
                assert process.poll() is None
            assert files_with(home, GONE)
            done = mailer.run("subscribers", *command, cwd=home)
            assert "Still on disk" not in done.stderr
            for needle in (GONE, GONE.partition("@")[0], "leaving-house", NAME):
                assert files_with(home, needle) == []
        finally:
            process.kill()
    for needle in (GONE, NAME):
        assert files_with(home, needle) == []


def test_what_a_reader_keeps_on_disk_is_named(mailer: InstalledMailer, home: Path) -> None:
    reader = (
        "import sqlite3, sys; c = sqlite3.connect('mailer.db', isolation_level=None); c.execute('BEGIN');"
        " c.execute('SELECT count(*) FROM subscriber').fetchone(); print('reading', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [mailer.python, "-c", reader], cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
        done = mailer.run("subscribers", "erase", GONE, "--yes", cwd=home)
        process.communicate("")
    assert "mailer.db-wal" in done.stderr
