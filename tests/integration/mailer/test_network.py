"""The hosts' network: its cables fail as they say, and nothing of it stays behind."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from tests.support import network
from tests.support.network import Network, Site

REACH = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)
except OSError as error:
    sys.exit(type(error).__name__)
"""


@pytest.fixture(autouse=True)
def allowed() -> None:
    if reason := network.why_not():
        pytest.skip(f"Hosts have no network of their own: {reason}.")


def test_a_cut_host_reaches_nothing_the_others_do_and_mended_it_does_again() -> None:
    with Network(2) as one, socket.create_server((one.address, 0)) as server:
        port = server.getsockname()[1]
        cut, other = one.sites
        assert _reach(cut, port) == ""
        for fail in (cut.unplug, cut.mute, cut.deafen):
            fail()
            assert _reach(cut, port) != ""
            assert _reach(other, port) == ""
            cut.mend()
            assert _reach(cut, port) == ""


def test_nothing_of_a_network_stays_behind_also_after_a_failure() -> None:
    one = Network(2)
    with pytest.raises(InterruptedError), one:
        raise InterruptedError
    left = "".join(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for command in (["ip", "netns"], ["ip", "link"])
    )
    assert not [site for site in one.sites if site.name in left or site.switch in left]


def _reach(site: Site, port: int) -> str:
    """Connect from a site to this side; what went wrong."""
    command = [*site.within, sys.executable, "-c", REACH, site.switch_address, str(port)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr.strip()
