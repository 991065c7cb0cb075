"""How a connection to SQLite is set up: WAL, durable commits, foreign keys, and transactions that begin at once."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from sqlalchemy import Connection, Engine, event

BUSY_SECONDS = 60


def set_up(engine: Engine) -> None:
    """Set pragmas on connecting, and begin transactions where SQLAlchemy says so.

    Python's own transactions begin late, and never for reads. Two writers could then both hold a read lock, and one
    would fail with "database is locked". With BEGIN IMMEDIATE the second writer waits instead.
    """
    set_pragmas(engine, BUSY_SECONDS)

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        read_only = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN DEFERRED" if read_only else "BEGIN IMMEDIATE")


def set_pragmas(engine: Engine, busy_seconds: float) -> None:
    """Set the pragmas of each new connection; `busy_seconds` is how long the switch to WAL waits for a lock."""

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        _use_wal(cursor, busy_seconds)
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _use_wal(cursor: Any, busy_seconds: float) -> None:
    """Switch to WAL. SQLite does not wait when two connections switch a new file at once, so this does."""
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
