"""Several hosts at one campaign, killed, frozen and cut off at random: nobody twice, nobody lost.

`MAILER_TESTS_HOSTS_DELIVERIES` says how many deliveries there are; `make soak` takes 100,000.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from campaigns import catalogue, reports
from campaigns.states import CampaignState, DeliveryState
from mailer.database import Database
from tests.support import network
from tests.support.campaign import counts, dispatch_for, draft, settings_for, subscribe, threaded
from tests.support.figures import report_figures
from tests.support.hosts import CONNECTIONS, LEASE, Host, Place, places_of_their_own, places_on_loopback
from tests.support.installed import InstalledMailer
from tests.support.relay import FaultyRelay, Mail

PEOPLE = int(os.environ.get("MAILER_TESTS_HOSTS_DELIVERIES", "600"))
HOSTS = 3
SLOWNESS = 0.05 if PEOPLE <= 10_000 else 0.005  # so that even a short campaign meets some faults
TIMEOUT_SECONDS = 120 + PEOPLE / 50  # seconds


class ForgetfulRelay(FaultyRelay):
    """Keeps who got a mail and not the mail: there may be 100,000."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__(pipelining=True, chunking=True, host=host)
        self.contents, self.commands = deque(maxlen=1), deque(maxlen=1)  # type: ignore[assignment]

    def take(self, mail: Mail) -> None:
        super().take(Mail(mail.sender, mail.recipient, b""))


@pytest.fixture
def places(postgresql_database: Database) -> Iterator[list[Place]]:
    """A place for each host: in network namespaces where the kernel grants them, else on loopback addresses."""
    where = places_on_loopback if network.why_not() else places_of_their_own
    with where(postgresql_database.url, HOSTS) as places:
        yield places


@pytest.mark.timeout(TIMEOUT_SECONDS + 120)
def test_three_hosts_that_are_killed_frozen_and_cut_off_repeat_nobody_and_lose_nobody(
    mailer: InstalledMailer, postgresql_database: Database, places: list[Place], tmp_path: Path
) -> None:
    database = postgresql_database
    subscribe(database, PEOPLE)
    draft(database)
    seed = random.randrange(2**32)
    with threaded(ForgetfulRelay(places[0].relay)) as relay:
        relay.slowness = SLOWNESS
        dispatch_for(database, settings_for(relay.port)).start("notes")
        began = time.monotonic()
        with _hosts(mailer, tmp_path, places, relay.port) as hosts:
            with _disrupting(hosts, seed) as faults:
                _wait(lambda: _is_over(database), TIMEOUT_SECONDS)
                seconds = time.monotonic() - began
            time.sleep(1)  # for a host that has just continued to show what it would do
    where = "in namespaces" if places[0].within else "on loopback addresses"
    assert_promise_held(database, relay, faults, f"{HOSTS} hosts {where}, {seconds:.0f} s, seed {seed}")


def assert_promise_held(
    database: Database, relay: FaultyRelay, faults: Counter[str], circumstances: str
) -> None:
    status = counts(database)
    mailed = Counter(mail.recipient for mail in relay.accepted)
    repeated = sum(number > 1 for number in mailed.values())
    lost = everyone() - mailed.keys() - in_doubt(database)
    figures = (
        f"{status.line()}; the relay took {len(relay.accepted):,}, {repeated} of them twice; {len(lost)} lost; "
        f"{faults.total()} faults {dict(sorted(faults.items()))}; {circumstances}"
    )
    report_figures(figures)
    assert status.state is CampaignState.FINISHED, figures
    assert not repeated, figures
    assert not lost, figures
    assert status.accepted + status.uncertain == PEOPLE, figures
    assert status.uncertain <= faults.total() * CONNECTIONS, figures
    assert faults.total() >= 3, f"too few faults to have seen anything; {figures}"


@pytest.mark.timeout(300)
def test_a_host_cut_off_from_the_database_stops_within_its_lease_and_goes_on_by_itself(
    mailer: InstalledMailer, postgresql_database: Database, tmp_path: Path
) -> None:
    database = postgresql_database
    subscribe(database, 600)
    draft(database)
    with (
        threaded(ForgetfulRelay()) as relay,
        places_on_loopback(database.url, 1) as places,
    ):
        relay.slowness = 0.05
        dispatch_for(database, settings_for(relay.port)).start("notes")
        with _hosts(mailer, tmp_path, places, relay.port):
            _wait(lambda: len(relay.accepted) >= 50)
            places[0].cuts["blocked"]()
            time.sleep(LEASE)
            offered = len(relay.accepted)
            time.sleep(LEASE)
            assert len(relay.accepted) == offered < 600
            places[0].mend()
            _wait(lambda: _is_over(database))
    status = counts(database)
    assert status.accepted + status.uncertain == 600
    assert status.uncertain <= CONNECTIONS
    assert set(Counter(mail.recipient for mail in relay.accepted).values()) == {1}


@contextmanager
def _hosts(
    mailer: InstalledMailer, folder: Path, places: Sequence[Place], relay_port: int
) -> Iterator[list[Host]]:
    with ExitStack() as stack:
        hosts = []
        for place in places:
            hosts.append(Host(mailer, folder, place, relay_port))
            stack.callback(hosts[-1].kill)
        yield hosts
        assert all(host.is_running() for host in hosts), "a worker ended by itself"


@contextmanager
def _disrupting(hosts: Sequence[Host], seed: int) -> Iterator[Counter[str]]:
    """Disrupt each host, independently of the others; yields the number of faults, complete afterwards."""
    over, faults = threading.Event(), Counter[str]()
    with ThreadPoolExecutor(len(hosts)) as threads:
        torments = [
            threads.submit(host.disrupt_until, over, random.Random(f"{seed} {number}"))
            for number, host in enumerate(hosts)
        ]
        try:
            yield faults
        finally:
            over.set()
        for torment in torments:
            faults.update(torment.result())


def everyone() -> set[str]:
    return {f"person{number}@example.com" for number in range(1, PEOPLE + 1)}


def in_doubt(database: Database) -> set[str]:
    with database.read() as connection:
        campaign = catalogue.find(connection, "notes")
        return {
            row.email for row in reports.list_deliveries(connection, campaign.id, DeliveryState.UNCERTAIN)
        }


def _is_over(database: Database) -> bool:
    with database.read() as connection:
        return catalogue.find(connection, "notes").state is CampaignState.FINISHED


def _wait(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.2)
