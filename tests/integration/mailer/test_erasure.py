"""What was deleted can't be read from the database's files any more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from mailer.database import Database, erase_deleted, erasure
from mailer.file_search import find_texts

REMAIN = "zylphia@leaving-house.example"


def add_and_delete(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text(f"INSERT INTO throttle VALUES ('x', '{REMAIN}')"))
    with database.write() as connection:
        connection.execute(text("DELETE FROM throttle"))


def hits(database: Database) -> int:
    path = Path(database.url.database or "")
    return sum(file.read_bytes().count(REMAIN.encode()) for file in path.parent.glob(f"{path.name}*"))


def test_the_write_ahead_log_is_truncated_while_others_have_the_file_open(sqlite_database: Database) -> None:
    other = Database(str(sqlite_database.url))
    with other.read() as connection:
        connection.execute(text("SELECT 1"))
    add_and_delete(sqlite_database)
    assert hits(sqlite_database) > 0
    assert erase_deleted(sqlite_database, ["throttle"], [REMAIN]) == []
    assert hits(sqlite_database) == 0
    other.close()


def test_a_copy_that_a_page_kept_is_vacuumed(sqlite_database: Database) -> None:
    with sqlite_database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute("PRAGMA secure_delete=OFF")
        driver.execute("INSERT INTO throttle VALUES ('x', ?)", (REMAIN,))
        driver.execute("DELETE FROM throttle")
    assert erase_deleted(sqlite_database, ["throttle"], [REMAIN]) == []
    assert hits(sqlite_database) == 0


@pytest.mark.parametrize("deleted", [[REMAIN], [f"p{number}@leaving-house.example" for number in range(20)]])
def test_another_process_does_not_take_away_the_log_of_a_process_that_searched_the_file(
    sqlite_database: Database, deleted: list[str]
) -> None:
    path = str(sqlite_database.url.database)
    with sqlite_database.read() as connection:
        connection.execute(text("SELECT count(*) FROM throttle"))
        assert erase_deleted(sqlite_database, ["throttle"], deleted) == []
    add = text("INSERT INTO throttle VALUES (:key, '')")
    with sqlite_database.write() as connection:
        connection.execute(add, {"key": "before"})
    assert _rows_elsewhere(path) == 1
    with sqlite_database.write() as connection:
        connection.execute(add, {"key": "after"})
    assert _rows_elsewhere(path) == 2


def _rows_elsewhere(path: str) -> int:
    """The rows that another process finds; it is the only one that closes the database, so it tidies up if it can."""
    code = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]);"
        "print(*db.execute('SELECT count(*) FROM throttle').fetchone()); db.close()"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_of_many_addresses_those_are_found_that_the_file_holds(tmp_path: Path) -> None:
    held = [f"p{number}@example.com" for number in range(20)] + ["a@b.nl", "x@y", "no address"]
    file = tmp_path / "file"
    file.write_text("Vries".join(held), encoding="utf-8")
    gone = [f"q{number}@example.com" for number in range(20)] + ["p1@example.nl", "c@b.nl"]
    assert find_texts(file, held + gone) == set(held)


def test_a_text_that_is_part_of_a_stored_one_is_no_remain(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "_vacuum_sqlite", lambda *_: ["vacuumed"])
    with sqlite_database.write() as connection:
        connection.execute(text(f"INSERT INTO throttle VALUES ('x', '{REMAIN}')"))
    assert erase_deleted(sqlite_database, ["throttle"], [REMAIN], lambda _: True) == []
    assert erase_deleted(sqlite_database, ["throttle"], [REMAIN]) == ["vacuumed"]


def test_a_copy_from_before_a_restore_or_an_upgrade_is_named(sqlite_database: Database) -> None:
    path = Path(sqlite_database.url.database or "")
    for suffix, content in (
        ("restore-1", f"...{REMAIN}..."),
        ("upgrade-1", "nothing of it"),
        ("restore-2", ""),
    ):
        path.with_name(f"{path.name}.before-{suffix}").write_text(content, encoding="utf-8")
    add_and_delete(sqlite_database)
    first, second = erase_deleted(sqlite_database, ["throttle"], [REMAIN])
    assert ".before-restore-1: this copy" in first
    assert ".before-restore-2 can't be searched" in second


def test_a_reader_that_keeps_the_log_is_told_of(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "CHECKPOINT_SECONDS", 0.3)
    reader = Database(str(sqlite_database.url))
    with reader.read() as connection:
        connection.execute(text("SELECT count(*) FROM throttle")).scalar_one()
        add_and_delete(sqlite_database)
        [left] = erase_deleted(sqlite_database, ["throttle"], [REMAIN])
    assert "mailer.db-wal" in left
    reader.close()


def test_on_postgresql_the_tables_are_vacuumed(postgresql_database: Database) -> None:
    add_and_delete(postgresql_database)
    assert erase_deleted(postgresql_database, ["throttle", "consent"], [REMAIN]) == []
