"""`mailer serve` as a process: says where it listens, answers, keeps tokens out of its log, ends in order."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.installed import InstalledMailer


@pytest.fixture
def home(mailer: InstalledMailer, tmp_path: Path) -> Path:
    mailer.run("init", cwd=tmp_path)
    return tmp_path


@contextmanager
def serving(mailer: InstalledMailer, home: Path, *args: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    with mailer.start("serve", "--port", "0", *args, cwd=home, stdout=None) as process:
        try:
            assert process.stderr is not None
            address = re.search(r"http://\S+", process.stderr.readline())
            assert address is not None
            yield address[0], process
        finally:
            process.kill()


def test_it_is_healthy_once_it_says_where_it_listens(mailer: InstalledMailer, home: Path) -> None:
    with serving(mailer, home) as (address, _):
        assert httpx.get(f"{address}/healthz", timeout=30).status_code == 200


@pytest.mark.parametrize("args", [[], ["--access-log"]], ids=["quiet", "access log"])
def test_no_log_holds_a_token(mailer: InstalledMailer, home: Path, args: list[str]) -> None:
    token = "eyJzb21lYm9keSI6MX0.c2lnbmF0dXJl"
    with serving(mailer, home, *args) as (address, process):
        for method in ("GET", "POST", "HEAD"):
            assert 400 <= httpx.request(method, f"{address}/u/{token}", timeout=30).status_code < 500
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert token not in log
    assert token[:12] not in log
    assert bool(log.strip()) is bool(args)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_in_order(mailer: InstalledMailer, home: Path, stop: signal.Signals) -> None:
    with serving(mailer, home) as (address, process):
        httpx.get(f"{address}/healthz", timeout=30)
        process.send_signal(stop)
        _, log = process.communicate(timeout=60)
    assert process.returncode in {0, -signal.SIGTERM}
    assert "Traceback" not in log


def test_a_port_that_is_taken_is_named(mailer: InstalledMailer, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = mailer.run("serve", "--port", port, cwd=home, check=False)
    assert done.returncode == 1
    assert port in done.stderr
    assert "Choose another --port." in done.stderr


def test_an_address_of_another_machine_is_named(mailer: InstalledMailer, home: Path) -> None:
    done = mailer.run("serve", "--host", "192.0.2.1", "--port", "0", cwd=home, check=False)
    assert done.returncode == 1
    assert "192.0.2.1" in done.stderr
    assert "--host 127.0.0.1" in done.stderr


def test_without_a_database_it_says_what_to_run(mailer: InstalledMailer, tmp_path: Path) -> None:
    done = mailer.run("serve", "--port", "0", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "mailer init" in done.stderr


def test_the_doctor_s_verdict_is_its_exit_code(mailer: InstalledMailer, home: Path) -> None:
    sick = mailer.run("doctor", "--offline", cwd=home, check=False)
    assert (sick.returncode, sick.stdout[:4]) == (1, "ok  ")
    assert "fail  sender" in sick.stdout
    well = mailer.run("doctor", "--offline", cwd=home, env={"MAILER_SENDER": "Acme <news@acme.example>"})
    assert "fail" not in well.stdout
