"""A PostgreSQL server made with the programs of a folder, such as Debian's /usr/lib/postgresql/15/bin."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TIMEOUT_SECONDS = 60


@contextmanager
def server_made_with(programs: Path) -> Iterator[str]:
    """Start it on a socket; yields the URL of its maintenance database."""
    folder = Path(tempfile.mkdtemp(prefix="mailer-postgresql-"))
    owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None  # PostgreSQL does not run as root
    if owner is not None:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    data = folder / "data"

    def run(program: str, *arguments: str | Path) -> None:
        subprocess.run(
            [programs / program, *arguments],
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            timeout=TIMEOUT_SECONDS,
            check=True,
        )

    run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8")
    settings = f"-k {folder} -c listen_addresses='' -c fsync=off"
    run("pg_ctl", "-D", data, "-w", "-o", settings, "-l", folder / "log", "start")
    try:
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)
