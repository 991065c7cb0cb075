"""Hosts on one machine: network and process namespaces, connected to the test by a switch.

    with Network(3) as network:
        one, *others = network.sites
        subprocess.Popen([*one.within, "mailer", "worker"])     # its database and relay: at network.address
        one.unplug()
        one.mend()

Only root may make them, and needs `ip` (iproute2) and `unshare` (util-linux). Leaving the network removes it all.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

NOBODY = "02:00:00:00:00:fe"  # an Ethernet address that does not exist
HERE = "02:00:00:00:00:01"
_numbers = itertools.count()


def why_not() -> str | None:
    """Why networks can't be created here; None if they can."""
    if os.geteuid() != 0:
        return "only root can create network namespaces"
    if missing := [program for program in ("ip", "unshare") if shutil.which(program) is None]:
        return f"{' and '.join(missing)} is not installed"
    try:
        with Network(1) as network:
            _run(*network.sites[0].within, "true")
    except subprocess.CalledProcessError as error:
        return f"network namespaces can't be created: {error.stderr.strip()}"
    return None


@dataclass(frozen=True, slots=True)
class Site:
    """The processes of one host, at a switch. Its cable can fail in three ways, until it is repaired."""

    name: str
    address: str
    ethernet: str
    switch: str
    switch_address: str

    @property
    def within(self) -> list[str]:
        """The prefix of a command that runs it there, as the first process of a machine that just booted."""
        return [
            *("ip", "netns", "exec", self.name),
            *("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--"),
        ]

    def unplug(self) -> None:
        """Unplug the cable: no packet passes, and the host notices at once."""
        _ip("-n", self.name, "link", "set", "eth0", "down")

    def mute(self) -> None:
        """Lose the packets that the host sends; it receives those sent to it."""
        self._know_switch_as(NOBODY)

    def deafen(self) -> None:
        """Lose the packets that are sent to the host; its own arrive."""
        self._be_known_as(NOBODY)

    def mend(self) -> None:
        _ip("-n", self.name, "link", "set", "eth0", "up")
        self._know_switch_as(HERE)
        self._be_known_as(self.ethernet)

    def _know_switch_as(self, ethernet: str) -> None:
        entry = (self.switch_address, "lladdr", ethernet, "dev", "eth0", "nud", "permanent")
        _ip("-n", self.name, "neigh", "replace", *entry)

    def _be_known_as(self, ethernet: str) -> None:
        _ip("neigh", "replace", self.address, "lladdr", ethernet, "dev", self.switch, "nud", "permanent")


class Network:
    """A switch with cables to `count` sites. The test has `address` on it."""

    def __init__(self, count: int) -> None:
        # A range for benchmarks (RFC 2544), which no network in use has.
        subnet = f"198.{random.choice((18, 19))}.{random.randrange(256)}"
        self._name = (
            f"mt{os.getpid()}n{next(_numbers)}"  # with a site's number within the 15 characters of a link
        )
        self.address = f"{subnet}.1"
        self.sites = [
            Site(
                name=f"{self._name}h{number}",
                address=f"{subnet}.{number + 1}",
                ethernet=f"02:00:00:00:01:{number:02x}",
                switch=self._name,
                switch_address=self.address,
            )
            for number in range(1, count + 1)
        ]
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            _ip("link", "add", self._name, "address", HERE, "type", "bridge")
            undo.callback(_ip, "link", "delete", self._name)
            _ip("address", "add", f"{self.address}/24", "dev", self._name)
            _ip("link", "set", self._name, "up")
            for site in self.sites:
                self._lay_cable(site, undo)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _lay_cable(self, site: Site, undo: ExitStack) -> None:
        _ip("netns", "add", site.name)
        undo.callback(_ip, "netns", "delete", site.name)
        far_end = ("peer", "name", "eth0", "netns", site.name, "address", site.ethernet)
        _ip("link", "add", site.name, "type", "veth", *far_end)
        undo.callback(_ip, "link", "delete", site.name)
        _ip("link", "set", site.name, "master", self._name, "up")
        _ip("-n", site.name, "address", "add", f"{site.address}/24", "dev", "eth0")
        _ip("-n", site.name, "link", "set", "lo", "up")
        site.mend()


def first_process(outer: int) -> int:
    """The process that `Site.within` starts, where `outer` is `unshare`; 0 until it runs."""
    try:
        children = Path(f"/proc/{outer}/task/{outer}/children").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return int(children[0]) if children else 0


def _ip(*words: str) -> None:
    _run("ip", *words)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
