"""Whole campaigns through real mail servers on the same machine and disk, beside Postfix's load generator."""

from __future__ import annotations

from statistics import median

from benchmarks import campaign, relays
from benchmarks.audience import Audience, copied
from benchmarks.bench import CONNECTIONS, Bench
from benchmarks.campaign import Sent
from benchmarks.programs import Finished
from benchmarks.report import Goal, Row, Section
from tests.support.relays import Exim, OpenSMTPD, Postfix, RealRelay, programs

FEW = 3  # connections, where each message's wait shows


def postfix(bench: Bench) -> Section:
    """Postfix, in turns; each begins when Postfix has worked off what it took before."""
    section = Section("A real Postfix on the same machine and disk")
    if reason := programs.why_not("postfix"):
        section.lines.append(f"It was left out: {reason}.")
        return section
    people = bench.audience(bench.sizes.real_relay)
    rounds = []
    with Postfix() as relay:
        for number in range(bench.sizes.rounds):
            if number % 2:
                ours, theirs = _ours(relay, people), _smtp_source(bench, relay, people.people)
            else:
                theirs, ours = _smtp_source(bench, relay, people.people), _ours(relay, people)
            rounds.append((theirs, ours))
            bench.say(
                f"Postfix, round {number + 1} of {bench.sizes.rounds}: smtp-source -N "
                f"{people.people / theirs.seconds:,.0f}/s, whole command {ours.whole_rate:,.0f}/s"
            )
    ratios = [theirs.seconds / ours.seconds for theirs, ours in rounds]
    what = f"a real Postfix, whole command of {people.people:,}, against `smtp-source -N`"
    section.rows.append(Row(what, Goal(0.95), median(ratios), ratios))
    section.table(
        ("round", "smtp-source -N, messages/s", "CPU, µs", "whole command, messages/s", "CPU, µs",
         "sending alone, messages/s", "CPU, µs"),
        [
            (number, f"{people.people / theirs.seconds:,.0f}", f"{theirs.cpu_seconds / people.people * 1e6:.0f}",
             f"{ours.whole_rate:,.0f}", f"{ours.whole_cpu_us:.0f}", f"{ours.rate:,.0f}", f"{ours.cpu_us:.0f}")
            for number, (theirs, ours) in enumerate(rounds, 1)
        ],
    )  # fmt: skip
    section.lines.append(f"{CONNECTIONS} connections. Postfix makes each mail durable before it accepts it.")
    return section


def other_relays(bench: Bench) -> Section:
    """Each server that this machine can run, with many connections and with few; no goals."""
    section = Section("Real mail servers, many connections and few")
    people = bench.audience(bench.sizes.small)
    rows = []
    for server in (Postfix, Exim, OpenSMTPD):
        if reason := programs.why_not(server.name):
            section.lines.append(f"{server.name} was left out: {reason}.")
            continue
        for connections in (CONNECTIONS, FEW):
            with server() as relay, copied(people) as copy:
                ours = campaign.send(copy, relay.plain, connections=connections)
                rows.append((server.name, connections, f"{ours.whole_rate:,.0f}", f"{ours.whole_cpu_us:.0f}"))
            bench.say(f"{server.name}, {connections} connections: {ours.whole_rate:,.0f}/s")
    section.table(("server", "connections", "whole command, messages/s", "CPU, µs"), rows)
    return section


def _ours(relay: RealRelay, people: Audience) -> Sent:
    before = relay.taken().total()
    with copied(people) as copy:
        sent = campaign.send(copy, relay.plain)
    relay.wait_until_taken(before + people.people)
    return sent


def _smtp_source(bench: Bench, relay: RealRelay, messages: int) -> Finished:
    before = relay.taken().total()
    done = relays.smtp_source(relay.plain, messages, CONNECTIONS, payload=bench.payload, distinct=True)
    relay.wait_until_taken(before + messages)
    return done
