"""Whole campaigns through real mail servers, beside Postfix's load generator and nodemailer's pool."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks import campaign, relays
from benchmarks.audience import copied
from benchmarks.bench import CONNECTIONS, Bench
from benchmarks.programs import Finished, Missing, find, run
from benchmarks.report import Goal, Row, Section
from tests.support.relays import Exim, OpenSMTPD, Postfix, RealRelay, programs

SERVERS: Sequence[type[RealRelay]] = (Postfix, Exim, OpenSMTPD)
FEW = 3  # connections, where each message's wait shows
PEER = Path(__file__).with_name("nodemailer_peer.cjs")


def real_relays(bench: Bench) -> Section:
    """Each server that this machine can run, with many connections and with few."""
    people = bench.audience(bench.sizes.small)
    section = Section("Real mail servers")
    rows = []
    for server in SERVERS:
        if reason := programs.why_not(server.name):
            section.lines.append(f"{server.name} was left out: {reason}.")
            continue
        for connections in (CONNECTIONS, FEW):
            with server() as relay, copied(people) as copy:
                ours = campaign.send(copy, relay.plain, connections=connections).whole_rate
                theirs = _rate(people.people, _smtp_source(relay, people.people, connections))
                nodemailer = _rate(people.people, _nodemailer(relay, people.people, connections))
            rows.append((server.name, connections, f"{ours:,.0f}", _shown(theirs), _shown(nodemailer)))
            if server is Postfix and theirs is not None:
                what = (
                    f"whole campaign through Postfix over {connections} connections, against `smtp-source -N`"
                )
                ratios = [ours / theirs]
                section.rows.append(Row(what, Goal(0.65), median(ratios), ratios))
    section.table(("server", "connections", "ours, messages/s", "smtp-source -N", "nodemailer"), rows)
    return section


def _smtp_source(relay: RealRelay, messages: int, connections: int) -> Finished | None:
    if not isinstance(relay, (Postfix, Exim)):
        return None  # it gives up where a server takes only so many messages a connection
    command = [find("smtp-source", "postfix"), "-N", "-d", "-s", str(connections), "-m", str(messages)]
    command += ["-l", str(relays.LENGTH), "-f", "news@example.com", "-t", "person@example.org"]
    return run([*command, f"127.0.0.1:{relay.plain}"])


def _nodemailer(relay: RealRelay, messages: int, connections: int) -> Finished | None:
    """None where node finds no nodemailer; NODE_PATH says where to look."""
    try:
        node = find("node", "nodejs")
    except Missing:
        return None
    if (
        isinstance(relay, OpenSMTPD)
        or subprocess.run([node, "-e", "require('nodemailer')"], capture_output=True, check=False).returncode
    ):
        return None
    return run([node, PEER, *map(str, (relay.plain, messages, connections, relays.LENGTH))])


def _rate(messages: int, finished: Finished | None) -> float | None:
    return None if finished is None else messages / finished.seconds


def _shown(rate: float | None) -> str:
    return "" if rate is None else f"{rate:,.0f}"
