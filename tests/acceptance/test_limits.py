"""Open files and memory that are used up: one clear line, no traceback."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.installed import InstalledMailer

FILES = 64


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
