"""Make deleted rows unreadable on disk: in the database's file and its write-ahead log, or in PostgreSQL's
tables.

SQLite overwrites deleted rows (`secure_delete`). But older pages remain in the write-ahead log until a
checkpoint truncates it, and splitting a page may leave a copy, which only VACUUM removes.
"""

from __future__ import annotations

import glob
import mmap
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import text

from mailer.database.engine import Database
from mailer.errors import MailerError

CHECKPOINT_SECONDS = 10.0
CHECKPOINT_BUSY_MILLISECONDS = 100
_PAUSE_SECONDS = 0.1
_FEW = 16  # texts, that are looked for one by one
_BEFORE, _FROM = 2, 4  # octets of an address before its @ and from it on


def erase_deleted(
    database: Database,
    tables: Sequence[str],
    remains: Iterable[str],
    is_stored: Callable[[str], bool] = lambda _: False,
) -> list[str]:
    """Make rows deleted from `tables` unreadable; returns where they may still be readable, and why.

    On SQLite the file is searched for `remains`, which are deleted texts, and so are the copies beside it that
    `mailer restore` and `mailer upgrade` made. On PostgreSQL the tables are vacuumed. Call it after the transaction
    that deleted the rows. A text of which `is_stored` says so is part of another row, and may be found.
    """
    if not database.is_sqlite:
        return _vacuum_postgresql(database, tables)
    path = Path(database.url.database or "")
    needles = [remain.encode() for remain in remains if remain]
    problems = _truncate_log(database, path)
    if not problems and any(not is_stored(found.decode()) for found in _find(path, needles)):
        problems = _vacuum_sqlite(database, path)
    return [*problems, *_copies_with(path, needles, is_stored)]


def _copies_with(path: Path, needles: Sequence[bytes], is_stored: Callable[[str], bool]) -> Iterator[str]:
    """The copies beside the file that hold any of `needles`, or can't be searched."""
    for copy in sorted(path.parent.glob(f"{glob.escape(path.name)}.before-*")):
        try:
            if any(not is_stored(found.decode()) for found in _find(copy, needles)):
                yield f"{copy}: this copy of the database holds it. Delete it once you need it no more."
        except MailerError as error:
            yield error.message


def _truncate_log(database: Database, path: Path) -> list[str]:
    """Copy the write-ahead log into the file and truncate it, when no connection reads from it."""
    deadline = time.monotonic() + CHECKPOINT_SECONDS
    while True:
        with database.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            # A checkpoint that waits for readers blocks writers, so it waits only briefly at a time.
            driver.execute(f"PRAGMA busy_timeout={CHECKPOINT_BUSY_MILLISECONDS}")
            busy, *_ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            connection.invalidate()
        if not busy:
            return []
        if time.monotonic() > deadline:
            return [f"{path}-wal: another process is reading it; it is truncated when that is done."]
        time.sleep(_PAUSE_SECONDS)


def _vacuum_sqlite(database: Database, path: Path) -> list[str]:
    try:
        with database.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute("VACUUM")
    except Exception as error:  # noqa: BLE001 - whatever the driver says, it goes into the report
        return [f"{path}: VACUUM failed ({error}); run it when there is room and nobody writes."]
    return _truncate_log(database, path)


def _vacuum_postgresql(database: Database, tables: Sequence[str]) -> list[str]:
    try:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in tables:
                connection.execute(text(f"VACUUM {table}"))
    except Exception as error:  # noqa: BLE001 - as above
        return [f"{', '.join(tables)}: VACUUM failed ({type(error).__name__}); autovacuum does it later."]
    return []


def _find(path: Path, needles: Sequence[bytes]) -> set[bytes]:
    """Those of `needles` that the file contains. Raises MailerError if it can't be read."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if len(needles) <= _FEW:
                return {needle for needle in needles if content.find(needle) >= 0}
            return _find_many(content, needles)
    except (OSError, ValueError) as error:
        raise MailerError(f"{path} can't be searched for what was erased: {error}.") from None


def _find_many(content: mmap.mmap, needles: Sequence[bytes]) -> set[bytes]:
    """The same in one pass: addresses are recognised by what stands around their @."""
    found: set[bytes] = set()
    around: defaultdict[bytes, list[tuple[int, bytes]]] = defaultdict(list)
    for needle in needles:
        at = needle.rfind(b"@")
        if at >= _BEFORE and len(needle) - at >= _FROM:
            around[needle[at - _BEFORE : at + _FROM]].append((at, needle))
        elif content.find(needle) >= 0:
            found.add(needle)
    position = content.find(b"@")
    while position >= 0:
        for at, needle in around.get(content[max(0, position - _BEFORE) : position + _FROM], ()):
            if content[max(0, position - at) : position - at + len(needle)] == needle:
                found.add(needle)
        position = content.find(b"@", position + 1)
    return found
