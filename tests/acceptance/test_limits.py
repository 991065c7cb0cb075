"""Open files, memory and processes that are used up: one clear line, no traceback."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from campaigns.tables import schedule
from mailer.database import Database
from tests.support.campaign import draft, subscribe, threaded, write_config
from tests.support.installed import InstalledMailer
from tests.support.relay import FaultyRelay

FILES = 64
ENDLESS = ("worker", "serve")
# The relay's name has to be looked up, and the unsubscribe page is tried without the network.
LOCAL = {
    "MAILER_SMTP__HOST": "localhost",
    "MAILER_PUBLIC_URL": "http://127.0.0.1:9",
    "MAILER_UNSUBSCRIBE_CHECK": "warn",
}


def run_limited(mailer: InstalledMailer, folder: Path, limit: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", f'ulimit {limit}; exec "$0" subscribers list', mailer.command],
        cwd=folder,
        env=mailer.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ([f"-n {files}" for files in range(4, 9)], "open files"),
        (
            [f"-v {kilobytes}" for kilobytes in range(20_000, 71_000, 7_000)],
            "There is not enough memory.",
        ),
    ],
    ids=["files", "memory"],
)
def test_a_limit_that_is_reached_is_named(
    mailer: InstalledMailer, tmp_path: Path, limits: list[str], said: str
) -> None:
    mailer.run("init", cwd=tmp_path)
    ends = [run_limited(mailer, tmp_path, limit) for limit in limits]
    assert [end.stderr for end in ends if "Traceback" in end.stderr and "mailer" in end.stderr] == []
    assert any(said in end.stderr for end in ends), [end.stderr for end in ends]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user with a limit of its own")
@pytest.mark.parametrize(
    "words",
    [
        ("campaigns", "send", "notes", "--yes"),
        ("run-due",),
        ("worker",),
        ("serve", "--port", "0"),
        ("doctor",),
    ],
    ids=lambda words: words[0],
)
def test_a_limit_of_processes_is_named_and_loses_nothing(
    mailer: InstalledMailer, sqlite_database: Database, tmp_path: Path, words: Sequence[str]
) -> None:
    relay = FaultyRelay()
    subscribe(sqlite_database, 3)
    draft(sqlite_database)
    with threaded(relay):
        write_config(tmp_path, relay.port, database_url=sqlite_database.url.render_as_string())
        if words[0] != "campaigns":
            at = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d %H:%M}"
            mailer.run("campaigns", "schedule", "notes", "--at", at, cwd=tmp_path)
            with sqlite_database.write() as connection:
                connection.execute(update(schedule).values(due_at=datetime.now(UTC)))
        ends = [run_with_few_processes(mailer, tmp_path, number, words) for number in (1, 2, 3, 5, 8)]
        assert [end.stderr for end in ends if "Traceback" in end.stderr] == []
        assert "The limit of processes is reached" in ends[0].stderr + ends[0].stdout
        assert ends[0].returncode == (1 if words == ("doctor",) else 75)
        allowed = {0, 1, 4, 75}  # 4: it was sent before
        if words[0] in ENDLESS:
            allowed.add(143)  # ended while it was still starting
        assert {end.returncode for end in ends} <= allowed
        last = ("campaigns", "send", "notes", "--yes")
        mailer.run(*last, cwd=tmp_path, check=False)  # it may be finished already
    assert sorted(mail.recipient for mail in relay.accepted) == [f"person{n}@example.com" for n in (1, 2, 3)]


def run_with_few_processes(
    mailer: InstalledMailer, folder: Path, number: int, words: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    """Run a command, as a user who may have `number` processes and read all files; an endless one for a few seconds."""
    user = 100_000 + os.getpid() % 100_000
    files = "-all,+dac_override"
    limited = ["prlimit", f"--nproc={number}", "setpriv", f"--reuid={user}", "--clear-groups"]
    limited += [f"--inh-caps={files}", f"--ambient-caps={files}", str(mailer.command), *words]
    return subprocess.run(
        ["timeout", "--preserve-status", "3" if number > 1 and words[0] in ENDLESS else "60", *limited],
        cwd=folder,
        env=mailer.environment(LOCAL),
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def serving_with_few_files(mailer: InstalledMailer, folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        ["/bin/sh", "-c", f'ulimit -n {FILES}; exec "$0" serve --port 0', mailer.command],
        cwd=folder,
        env=mailer.environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_refused_connections_are_logged_once_and_it_serves_on(
    mailer: InstalledMailer, tmp_path: Path
) -> None:
    mailer.run("init", cwd=tmp_path)
    with serving_with_few_files(mailer, tmp_path) as process:
        assert process.stderr is not None
        address = process.stderr.readline().split()[2]
        port = int(address.rpartition(":")[2])
        with ExitStack() as stack:
            for _ in range(3 * FILES):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            assert "too many connections" in process.stderr.readline()
            time.sleep(0.5)
        until_healthy(address)
        process.terminate()
        _, rest = process.communicate(timeout=30)
    assert "too many connections" not in rest
    assert "Traceback" not in rest


def until_healthy(address: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            assert httpx.get(f"{address}/healthz", timeout=30, trust_env=False).status_code == 200
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return
