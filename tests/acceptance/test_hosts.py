"""Several hosts at one campaign, killed, frozen and cut off from the database in turn: nobody twice, nobody lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from campaigns.models import CampaignState
from mailer.database import Database
from tests.campaign import counts, dispatch_for, draft, settings_for, subscribe, threaded, write_config
from tests.installed import InstalledMailer
from tests.proxy import DatabaseProxy
from tests.relay import FaultyRelay, Mail

PEOPLE = int(os.environ.get("MAILER_TESTS_HOSTS_DELIVERIES", "2000"))
HOSTS, CONNECTIONS = 3, 4
LEASE = 3.0
ADDRESSES = [f"127.0.1.{number}" for number in range(1, HOSTS + 1)]


class ForgetfulRelay(FaultyRelay):
    """Keeps who got a mail and not the mail: there may be 100,000."""

    def __init__(self) -> None:
        super().__init__(pipelining=True, chunking=True)
        self.contents, self.commands = deque(maxlen=1), deque(maxlen=1)  # type: ignore[assignment]

    def take(self, mail: Mail) -> None:
        super().take(Mail(mail.sender, mail.recipient, b""))


class Host:
    """A worker with an address of its own, through which alone it reaches the database."""

    def __init__(self, mailer: InstalledMailer, folder: Path, proxy: DatabaseProxy, relay_port: int) -> None:
        self._mailer, self._folder, self._proxy = mailer, folder, proxy
        folder.mkdir()
        url = proxy.url.render_as_string(hide_password=False)
        write_config(folder, relay_port, database_url=url, connections=CONNECTIONS)
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._mailer.command, "worker", "--every", "0.2"],
            cwd=self._folder,
            env=self._mailer.environment({"MAILER_LEASE_SECONDS": str(LEASE)}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def suffer(self, luck: random.Random) -> str:
        """Go through something, and come back."""
        fault = luck.choice(("killed", "frozen", "cut", "blocked"))
        away = luck.uniform(0.3, 2) * LEASE
        match fault:
            case "killed":
                self.kill()
                self.start()
            case "frozen":
                self._process.send_signal(signal.SIGSTOP)
                time.sleep(away)
                self._process.send_signal(signal.SIGCONT)
            case "cut" | "blocked":
                (self._proxy.cut if fault == "cut" else self._proxy.block)()
                time.sleep(away)
                self._proxy.heal()
        return fault

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(30)


@pytest.mark.timeout(3000)
def test_three_hosts_that_are_killed_frozen_and_cut_off_repeat_nobody_and_lose_nobody(
    mailer: InstalledMailer, postgresql_database: Database, tmp_path: Path
) -> None:
    database = postgresql_database
    subscribe(database, PEOPLE)
    draft(database)
    luck = random.Random(seed := random.randrange(2**32))
    with threaded(ForgetfulRelay()) as relay, _hosts(mailer, database, tmp_path, relay.port) as hosts:
        relay.slowness = 0.05 if PEOPLE <= 2000 else 0.005
        dispatch_for(database, settings_for(relay.port)).start("notes")
        faults: Counter[str] = Counter()
        while not _is_over(database, relay) and len(relay.accepted) < PEOPLE * 0.9:
            faults[luck.choice(hosts).suffer(luck)] += 1
            time.sleep(luck.uniform(0, 1))
        deadline = time.monotonic() + 120
        while not _is_over(database, relay) and time.monotonic() < deadline:
            time.sleep(0.2)
    status = counts(database)
    mailed = Counter(mail.recipient for mail in relay.accepted)
    told = f"seed {seed}, {dict(faults)}: {status.line()}"
    assert status.state is CampaignState.FINISHED, told
    assert max(mailed.values()) == 1, f"somebody was mailed twice; {told}"
    assert status.accepted + status.uncertain == PEOPLE, told
    assert PEOPLE - len(mailed) <= status.uncertain <= faults.total() * CONNECTIONS, told
    assert sum(faults.values()) >= 3, f"too few faults to have seen anything; {told}"


@pytest.mark.timeout(300)
def test_a_host_cut_off_from_the_database_stops_within_its_lease_and_goes_on_by_itself(
    mailer: InstalledMailer, postgresql_database: Database, tmp_path: Path
) -> None:
    database = postgresql_database
    subscribe(database, 600)
    draft(database)
    with (
        threaded(ForgetfulRelay()) as relay,
        DatabaseProxy(database.url, ADDRESSES[0]) as proxy,
    ):
        relay.slowness = 0.05
        dispatch_for(database, settings_for(relay.port)).start("notes")
        host = Host(mailer, tmp_path / "host", proxy, relay.port)
        try:
            _wait(lambda: len(relay.accepted) >= 50)
            proxy.block()
            time.sleep(LEASE)
            offered = len(relay.accepted)
            time.sleep(LEASE)
            assert len(relay.accepted) == offered < 600
            proxy.heal()
            _wait(lambda: _is_over(database, relay))
        finally:
            host.kill()
    status = counts(database)
    assert status.accepted + status.uncertain == 600
    assert status.uncertain <= CONNECTIONS
    assert set(Counter(mail.recipient for mail in relay.accepted).values()) == {1}


@contextmanager
def _hosts(mailer: InstalledMailer, database: Database, folder: Path, port: int) -> Iterator[list[Host]]:
    with ExitStack() as stack:
        hosts = []
        for address in ADDRESSES:
            proxy = stack.enter_context(DatabaseProxy(database.url, address))
            hosts.append(Host(mailer, folder / address, proxy, port))
            stack.callback(hosts[-1].kill)
        yield hosts


def _is_over(database: Database, relay: FaultyRelay) -> bool:
    return bool(relay.accepted) and counts(database).state is CampaignState.FINISHED


def _wait(condition, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.1)
