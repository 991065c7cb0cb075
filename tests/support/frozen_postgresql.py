"""PostgreSQL that is frozen: its processes stand still, and its connections live."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from mailer.database import Database


@contextmanager
def frozen(database: Database) -> Iterator[None]:
    """Stop the server of `database`, and all its processes, until the block ends."""
    with database.read() as connection:
        backend = int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
    server = _parent(backend)
    os.kill(server, signal.SIGSTOP)  # first: it starts no other process
    processes = [server, *_children(server)]
    try:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def _parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])


def _children(process: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
