"""`mailer serve` and `mailer worker` are killed at random while an account system records consents.

No answered change is lost, none is out of order, and a webhook is told of each at least once.
`MAILER_TESTS_SERVE_KILLS` says how often; `make soak` kills 200 times, on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from mailer.config import KeyRing
from mailer.database import Database
from subscribers import changes, ledger, webhooks
from tests.support.api import grant, new_token, register_wording
from tests.support.campaign import SECRET, TOPIC, write_config
from tests.support.figures import report_figures
from tests.support.installed import InstalledMailer
from tests.support.loopback import free_port
from tests.support.receiver import Receiver, receiving

A_FEW = 3
KILLS = int(os.environ.get("MAILER_TESTS_SERVE_KILLS", A_FEW))
ENGINES = ("sqlite", "postgresql") if KILLS > A_FEW else ("sqlite",)  # a few show no difference
SEED = int(os.environ.get("MAILER_TESTS_SEED", "0"))
IN_A_CALL = 10  # each tenth time both are killed, while a webhook is called
LONGEST_LIFE = 1.5  # seconds from when a process does its work until it is killed
PATIENCE = 300  # seconds; a call that was cut off is made again after half a minute
RING = KeyRing((SECRET.encode(),))


class Processes:
    """`serve` and `worker`, of which one is killed and started again."""

    def __init__(self, mailer: InstalledMailer, folder: Path, port: int) -> None:
        self._mailer, self._folder = mailer, folder
        self._commands = {"serve": ("--port", str(port)), "worker": ("--every", "0.2")}
        self._running = {name: self._start(name) for name in self._commands}

    def kill(self, name: str) -> None:
        process = self._running[name]
        assert process.poll() is None, f"{name} ended by itself"
        process.send_signal(signal.SIGKILL)
        process.wait()
        self._running[name] = self._start(name)

    def end(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()

    def _start(self, name: str) -> subprocess.Popen[str]:
        quiet = subprocess.DEVNULL
        return self._mailer.start(name, *self._commands[name], cwd=self._folder, stdout=quiet, stderr=quiet)


@contextmanager
def running(mailer: InstalledMailer, folder: Path, port: int) -> Iterator[Processes]:
    processes = Processes(mailer, folder, port)
    try:
        yield processes
    finally:
        processes.end()


class AccountSystem:
    """Records and withdraws one consent after the other. Each is repeated until it is answered."""

    def __init__(self, port: int, token: str) -> None:
        self.told: list[tuple[str, str]] = []
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        )

    async def run(self, stop: asyncio.Event) -> None:
        async with self._client:
            number = 0
            while not stop.is_set():
                email = f"person{number}@example.com"
                await self._post("consents", grant(email), f"granted {number}")
                self.told.append(("granted", email))
                await self._post("withdrawals", {"email": email, "topic": TOPIC}, f"withdrawn {number}")
                self.told.append(("withdrawn", email))
                number += 1

    async def _post(self, path: str, body: object, key: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = await self._client.post(path, json=body, headers={"Idempotency-Key": key})
                if answer.status_code == 200:
                    await asyncio.sleep(0.02)  # the machine has other things to do
                    return
                assert answer.status_code >= 500, answer.text
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, "no answer"
            await asyncio.sleep(0.05)


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.getfixturevalue(f"{request.param}_database")
    return found


@pytest.mark.timeout(2 * PATIENCE + 20 * KILLS)
async def test_no_change_is_lost_or_out_of_order_where_serve_and_worker_are_killed(
    mailer: InstalledMailer, database: Database, tmp_path: Path
) -> None:
    luck = random.Random(SEED)
    victims = [("serve", "worker")[number % 2] for number in range(KILLS)]
    luck.shuffle(victims)
    prepare(database, tmp_path)
    _, token = new_token(database)
    async with receiving() as receiver:
        receiver.secret = add_endpoint(database, receiver)
        port, stop = free_port(), asyncio.Event()
        account = AccountSystem(port, token)
        with running(mailer, tmp_path, port) as processes:
            recording = asyncio.create_task(account.run(stop))
            for number, victim in enumerate(victims, 1):
                await more_than(account.told, len(account.told), recording)
                if number % IN_A_CALL == 0:
                    await kill_in_a_call(processes, receiver, recording)
                    continue
                await asyncio.sleep(luck.uniform(0, LONGEST_LIFE))
                await asyncio.to_thread(processes.kill, victim)
            await more_than(account.told, len(account.told), recording)
            stop.set()
            await recording
            await more_than(Arrivals(receiver), len(account.told) - 1, recording)
            arrived = [
                [(change["kind"], change["email"]) for change in call["data"]["changes"]]
                for call in receiver.calls
            ]
    places = {change: place for place, change in enumerate(account.told)}
    reached = repeated = 0
    for call in arrived:
        first = places[call[0]]
        assert first <= reached, "a change was left out"
        assert call == account.told[first : first + len(call)]
        repeated += first < reached  # mostly with what came since, so with another id
        reached = max(reached, first + len(call))
    report_figures(
        f"{database.engine.name}: {len(victims)} kills (serve {victims.count('serve')}), "
        f"{len(account.told):,} changes in {len(arrived):,} calls, "
        f"{repeated} of them repeated, seed {SEED}"
    )
    with database.read() as connection:
        ledger.verify(connection)
        feed = changes.read(connection, 0, 1_000_000).changes
    assert [(change.kind.value, change.email) for change in feed] == account.told
    assert repeated >= KILLS // IN_A_CALL
    assert reached == len(account.told)


def prepare(database: Database, folder: Path) -> None:
    """Settings for the database, and a wording."""
    write_config(folder, 1, database_url=database.url.render_as_string(hide_password=False))
    with (folder / "mailer.toml").open("a", encoding="utf-8") as settings:
        settings.write("[webhooks]\nallow_private = true\nallow_http = true\n")
    register_wording(database)


def add_endpoint(database: Database, receiver: Receiver) -> str:
    """Let the receiver be told of everything; returns the secret."""
    now = datetime.now(UTC)
    with database.write() as connection:
        endpoint = webhooks.add(connection, receiver.url, RING, now, from_start=True)
    [secret] = webhooks.secrets_of(endpoint, RING, now)
    return secret


async def kill_in_a_call(processes: Processes, receiver: Receiver, recording: asyncio.Task[None]) -> None:
    """Kill both processes after a call arrived and before it is answered, so that it must be made again."""
    before = receiver.arrived
    receiver.released = asyncio.Event()
    await until_true(lambda: receiver.arrived > before, recording)
    for victim in ("serve", "worker"):
        await asyncio.to_thread(processes.kill, victim)
    receiver.released.set()
    receiver.released = None


class Arrivals:
    """The different changes that a receiver was told of."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def __len__(self) -> int:
        return len({change["id"] for change in self._receiver.changes})


async def more_than(known: Sized, count: int, recording: asyncio.Task[None]) -> None:
    """Wait until more than `count` are known."""
    await until_true(lambda: len(known) > count, recording)


async def until_true(condition: Callable[[], bool], recording: asyncio.Task[None]) -> None:
    """Wait for the condition; raises what ended `recording`."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if recording.done():
            recording.result()
        assert time.monotonic() < deadline, "nothing comes any more"
        await asyncio.sleep(0.02)
