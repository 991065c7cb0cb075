"""`mailer serve` is restarted and reloaded while people leave: every one-click is answered 200 and recorded.

`MAILER_TESTS_ONE_CLICKS` says how many; `make soak` takes 5,000.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func
from sqlmodel import col, select

from mailer.config import SECRETS_NAME
from mailer.database import Database
from subscribers.kinds import ConsentKind
from subscribers.models import Consent
from tests.support.campaign import SECRET, TOPIC, subscribe
from tests.support.certificates import loopback_certificates
from tests.support.figures import report_figures
from tests.support.installed import InstalledMailer
from tests.support.links import address_of, links_in
from tests.support.loopback import free_port
from tests.support.reverse_proxy import reverse_proxy

ONE_CLICKS = int(os.environ.get("MAILER_TESTS_ONE_CLICKS", "300"))
PER_SECOND = 100 if ONE_CLICKS < 1000 else 250
ANSWER_SECONDS = 60  # a restart takes a second, and more where the machine is busy
AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""
BODY = b"List-Unsubscribe=One-Click"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def home(mailer: InstalledMailer, tmp_path: Path) -> Path:
    mailer.run("init", "--public-url", "https://localhost/mail", cwd=tmp_path)
    return tmp_path


@pytest.fixture
def paths(home: Path) -> list[str]:
    """A link for each of the people, who all agreed."""
    (home / SECRETS_NAME).write_text(f'secret_keys = ["{SECRET}"]\n', encoding="utf-8")
    database = Database(f"sqlite:///{home / 'mailer.db'}")
    people = subscribe(database, ONE_CLICKS)
    links = links_in(database, [SECRET.encode()], "/mail")
    found = [links.url(person, address_of(database, person), TOPIC, "en") for person in people]
    database.close()
    return found


@contextmanager
def serving(
    mailer: InstalledMailer, home: Path, *arguments: str, pass_fds: Sequence[int] = ()
) -> Iterator[subprocess.Popen[str]]:
    process = start(mailer, home, *arguments, pass_fds=pass_fds)
    try:
        yield process
    finally:
        kill(process)


def kill(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        process.kill()
        process.communicate()


def start(
    mailer: InstalledMailer, home: Path, *arguments: str, pass_fds: Sequence[int] = ()
) -> subprocess.Popen[str]:
    return mailer.start("serve", *arguments, cwd=home, stdout=None, pass_fds=pass_fds)


def end(process: subprocess.Popen[str]) -> str:
    process.terminate()
    _, log = process.communicate(timeout=30)
    assert process.returncode in {0, -signal.SIGTERM}, log
    return log


async def click_all(
    paths: Sequence[str], click: Callable[[str], Coroutine[Any, Any, object]]
) -> Counter[object]:
    """Click at a steady pace, whether or not the former clicks were answered; counts the answers."""

    async def later(number: int, path: str) -> object:
        await asyncio.sleep(number / PER_SECOND)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await click(path)
        except (OSError, EOFError, httpx.TransportError) as error:
            return type(error).__name__

    return Counter(await asyncio.gather(*(later(number, path) for number, path in enumerate(paths))))


def withdrawn(home: Path) -> int:
    database = Database(f"sqlite:///{home / 'mailer.db'}")
    with database.read() as connection:
        count = connection.scalar(select(func.count()).where(col(Consent.state) == ConsentKind.WITHDRAWN))
    database.close()
    return int(count or 0)


class Restarts:
    """Restarts in a thread of its own, one after the other, until the clicks are over."""

    def __init__(self, restart: Callable[[], None]) -> None:
        self._restart = restart
        self.count = 0
        self._over = False

    async def during(self, clicks: Coroutine[Any, Any, Counter[object]]) -> Counter[object]:
        running = asyncio.create_task(asyncio.to_thread(self._run))
        clicking = asyncio.create_task(clicks)
        await asyncio.wait(
            {running, clicking},
            timeout=120 + ONE_CLICKS / PER_SECOND,
            return_when=asyncio.FIRST_COMPLETED,
        )
        self._over = True
        await running  # raises what went wrong with a restart
        assert clicking.done(), "a click was never answered"
        return clicking.result()

    def _run(self) -> None:
        while not self._over:
            self._restart()
            self.count += 1


async def test_a_socket_that_is_handed_over_loses_no_one_click_in_restarts(
    mailer: InstalledMailer, home: Path, paths: list[str]
) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=2048))
        port, fd = listener.getsockname()[1], str(listener.fileno())
        current = [start(mailer, home, "--fd", fd, pass_fds=[listener.fileno()])]
        stack.callback(lambda: kill(*current))

        def restart() -> None:
            end(current[0])
            current[0] = start(mailer, home, "--fd", fd, pass_fds=[listener.fileno()])
            httpx.get(f"{listening(current[0])}/healthz", timeout=ANSWER_SECONDS, trust_env=False)
            time.sleep(0.5)

        async def click(path: str) -> int:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM['Content-Type']}\r\nContent-Length: {len(BODY)}\r\n\r\n"
            writer.write(head.encode())
            await asyncio.sleep(0.005)  # as over a network, the body comes later
            writer.write(BODY)
            status = (await reader.readuntil(b"\r\n")).split()[1]
            writer.close()
            return int(status)

        restarts = Restarts(restart)
        answers = await restarts.during(click_all(paths, click))
    report_figures(
        f"{len(paths):,} one-clicks over a handed-over socket, {restarts.count} restarts: {dict(answers)}"
    )
    assert restarts.count >= 1
    assert answers == {200: len(paths)}
    assert withdrawn(home) == len(paths)


async def test_two_instances_behind_nginx_lose_no_one_click_when_each_is_restarted(
    mailer: InstalledMailer, home: Path, paths: list[str]
) -> None:
    files = loopback_certificates()
    options = ["--certificate", str(files.certificate_file), "--certificate-key", str(files.key_file)]
    with ExitStack() as stack:
        ports = [free_port(), free_port()]
        for port in ports:
            options += ["--upstream", f"127.0.0.1:{port}"]
        current = [start(mailer, home, "--port", str(port)) for port in ports]
        stack.callback(lambda: kill(*current))
        for process in current:
            listening(process)
        snippet = mailer.run("deploy", "nginx", *options, cwd=home).stdout
        proxy = stack.enter_context(reverse_proxy("nginx", snippet, home / "nginx"))

        def restart() -> None:
            for number, port in enumerate(ports):
                end(current[number])
                current[number] = start(mailer, home, "--port", str(port))
                listening(current[number])
                time.sleep(0.3)

        context = ssl.create_default_context(cafile=files.ca_file)
        client = httpx.AsyncClient(
            base_url=f"https://localhost:{proxy.port}", verify=context, timeout=60, trust_env=False
        )

        async def click(path: str) -> int:
            return (await client.post(path, content=BODY, headers=FORM, timeout=60)).status_code

        restarts = Restarts(restart)
        answers = await restarts.during(click_all(paths, click))
        await client.aclose()
    report_figures(
        f"{len(paths):,} one-clicks through nginx, {restarts.count} restarts of both: {dict(answers)}"
    )
    assert answers == {200: len(paths)}
    assert withdrawn(home) == len(paths)


def test_sighup_reads_the_settings_again_and_keeps_every_connection(
    mailer: InstalledMailer, home: Path, paths: list[str]
) -> None:
    config, moved = home / "mailer.toml", paths[0].replace("/mail/", "/news/")
    with serving(mailer, home, "--port", "0") as process:
        with httpx.Client(base_url=listening(process), timeout=30, trust_env=False) as web:
            assert [web.get(path).status_code for path in (paths[0], moved)] == [200, 404]
            text = config.read_text(encoding="utf-8").replace("localhost/mail", "localhost/news")
            config.write_text(text, encoding="utf-8")
            process.send_signal(signal.SIGHUP)
            assert process.stderr is not None
            assert "Reloaded." in process.stderr.readline()
            assert [web.get(path).status_code for path in (paths[0], moved)] == [404, 200]
        assert process.poll() is None


@pytest.mark.parametrize("broken", ["sender = 7\n", 'database_url = "sqlite:///nothing.db"\n', "x = [\n"])
def test_sighup_with_settings_that_are_wrong_says_so_and_serves_on(
    mailer: InstalledMailer, home: Path, paths: list[str], broken: str
) -> None:
    with serving(mailer, home, "--port", "0") as process:
        address = listening(process)
        config = home / "mailer.toml"
        good = config.read_text(encoding="utf-8")
        config.write_text(broken + good.replace("sender =", "# sender ="), encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        assert process.stderr is not None
        assert "Not reloaded" in process.stderr.readline()
        assert httpx.post(address + paths[0], content=BODY, headers=FORM, timeout=60).status_code == 200
    assert not (home / "nothing.db").exists()


def test_a_sighup_before_it_listens_does_not_end_it(mailer: InstalledMailer, home: Path) -> None:
    with serving(mailer, home, "--port", "0") as process:
        address = listening(process)
        for _ in range(20):
            process.send_signal(signal.SIGHUP)
        assert httpx.get(f"{address}/healthz", timeout=30).status_code == 200
        log = end(process)
    assert "Traceback" not in log


def test_systemd_s_socket_is_accepted_on(mailer: InstalledMailer, home: Path, paths: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-c", AS_SYSTEMD, str(listener.fileno()), mailer.command, "serve"],
            cwd=home,
            env=mailer.environment(),
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[listener.fileno()],
        )
    try:
        assert listening(process) == f"http://127.0.0.1:{port}"
        answer = httpx.post(f"http://127.0.0.1:{port}{paths[0]}", content=BODY, headers=FORM, timeout=60)
        assert answer.status_code == 200
    finally:
        end(process)


def test_a_descriptor_that_does_not_listen_is_named(mailer: InstalledMailer, home: Path) -> None:
    read, write = os.pipe()
    with socket.socket() as idle:
        for fd in (read, idle.fileno(), 999):
            process = start(mailer, home, "--fd", str(fd), pass_fds=[] if fd == 999 else [fd])
            _, log = process.communicate(timeout=60)
            assert process.returncode == 1, log
            assert str(fd) in log
            assert "Traceback" not in log
    os.close(read)
    os.close(write)


def test_a_connection_that_sends_nothing_holds_the_end_up_for_a_moment_only(
    mailer: InstalledMailer, home: Path
) -> None:
    with serving(mailer, home, "--port", "0") as process:
        port = int(listening(process).rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)):
            time.sleep(0.3)
            end(process)  # which waits for 30 seconds at most


def listening(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("Listening on "), line
    return line.split()[2]
