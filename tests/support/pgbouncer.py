"""PgBouncer in front of a PostgreSQL server that listens on a socket, as a context manager."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from mailer.database import Database
from tests.support.loopback import free_port

PROGRAM = shutil.which("pgbouncer", path=os.defpath + ":/usr/sbin:/sbin")
START_SECONDS = 20


@contextmanager
def pgbouncer(database: Database, pool_mode: str, *, pool_size: int = 20) -> Iterator[URL]:
    """Start it; yields the URL of `database` through it."""
    assert PROGRAM, "pgbouncer is not installed (Debian: apt install pgbouncer)"
    socket_folder = Path(str(database.url.query["host"]))
    owner = pwd.getpwuid(socket_folder.stat().st_uid)
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="mailer-pgbouncer-"))
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = host={socket_folder} user={database.url.username}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = {pool_mode}\ndefault_pool_size = {pool_size}\nlogfile = {folder / 'log'}\n",
        encoding="utf-8",
    )
    if os.geteuid() == 0:  # PgBouncer does not run as root, and only its owner may enter the socket's folder
        shutil.chown(folder, owner.pw_uid, owner.pw_gid)
        shutil.chown(config, owner.pw_uid, owner.pw_gid)
    as_owner = ["-u", owner.pw_name] if os.geteuid() == 0 else []
    process = subprocess.Popen([PROGRAM, "-q", *as_owner, str(config)], stderr=subprocess.DEVNULL)
    try:
        _wait_until_open(port)
        yield database.url.set(host="127.0.0.1", port=port, query={}, password=None)
    finally:
        process.terminate()
        process.wait(START_SECONDS)
        shutil.rmtree(folder)


def _wait_until_open(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
