"""Hosts that share a campaign, and the faults that interrupt them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL

from tests.support.campaign import write_config
from tests.support.installed import InstalledMailer
from tests.support.network import Network, Site, first_process
from tests.support.proxy import DatabaseProxy

CONNECTIONS = 4
LEASE = 3.0  # seconds


@dataclass(frozen=True, slots=True)
class Place:
    """A host's network: how it reaches the database and the relay, and how it can be cut off from them."""

    name: str
    database: URL
    relay: str
    cuts: Mapping[str, Callable[[], None]]
    mend: Callable[[], None]
    within: Sequence[str] = field(default=())

    @classmethod
    def on_loopback(cls, proxy: DatabaseProxy) -> Place:
        """On loopback, with its own connection to the database. The relay can't be cut off."""
        cuts = {"cut": proxy.cut, "blocked": proxy.block}
        return cls(proxy.host, proxy.url, "127.0.0.1", cuts, proxy.heal)

    @classmethod
    def at(cls, site: Site, database: URL) -> Place:
        """In its own namespaces; without its cable it loses both the database and the relay."""
        cuts = {"unplugged": site.unplug, "mute": site.mute, "deaf": site.deafen}
        return cls(site.name, database, site.switch_address, cuts, site.mend, site.within)


@contextmanager
def places_on_loopback(database: URL, count: int) -> Iterator[list[Place]]:
    with ExitStack() as stack:
        yield [
            Place.on_loopback(stack.enter_context(DatabaseProxy(database, f"127.0.1.{number}")))
            for number in range(1, count + 1)
        ]


@contextmanager
def places_of_their_own(database: URL, count: int) -> Iterator[list[Place]]:
    with Network(count) as network, DatabaseProxy(database, network.address) as proxy:
        yield [Place.at(site, proxy.url) for site in network.sites]


class Host:
    """A worker that continues after each fault."""

    def __init__(self, mailer: InstalledMailer, folder: Path, place: Place, relay_port: int) -> None:
        self._mailer, self._place, self._folder = mailer, place, folder / place.name
        self._folder.mkdir()
        url = place.database.render_as_string(hide_password=False)
        write_config(self._folder, relay_port, database_url=url, connections=CONNECTIONS)
        self.start()

    def start(self) -> None:
        settings = {"MAILER_LEASE_SECONDS": str(LEASE), "MAILER_SMTP__HOST": self._place.relay}
        self._process = subprocess.Popen(
            [*self._place.within, self._mailer.command, "worker", "--every", "0.2"],
            cwd=self._folder,
            env=self._mailer.environment(settings),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._process.wait(30)

    def disrupt(self, rng: random.Random) -> str:
        """Cause a random fault for up to two leases, then end it; returns the kind of fault."""
        fault = rng.choice(("killed", "frozen", *self._place.cuts))
        away = rng.uniform(0.3, 2) * LEASE
        match fault:
            case "killed":
                self.kill()
                self.start()
            case "frozen":
                self._signal(signal.SIGSTOP)
                time.sleep(away)
                self._signal(signal.SIGCONT)
            case _:
                self._place.cuts[fault]()
                time.sleep(away)
                self._place.mend()
        return fault

    def disrupt_until(self, over: threading.Event, rng: random.Random) -> Counter[str]:
        """Cause one fault after another until `over`, up to two leases apart; returns the number of each
        kind.
        """
        faults: Counter[str] = Counter()
        while not over.wait(rng.uniform(0, 2) * LEASE):
            faults[self.disrupt(rng)] += 1
        return faults

    def is_running(self) -> bool:
        """Whether the worker runs; no fault may end it."""
        return self._process.poll() is None

    def _signal(self, number: signal.Signals) -> None:
        """Signal the worker itself, which in namespaces is a child of the process that was started here."""
        worker = 0
        while self.is_running() and not worker:
            worker = first_process(self._process.pid) if self._place.within else self._process.pid
            time.sleep(0.01)
        if worker:
            os.kill(worker, number)
