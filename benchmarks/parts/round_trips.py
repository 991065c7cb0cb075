"""How often a sender waits for the relay, and what a distant relay costs."""

from __future__ import annotations

import json
from statistics import median

from benchmarks import campaign, programs, relays
from benchmarks.audience import copied
from benchmarks.bench import CONNECTIONS, Bench
from benchmarks.report import Goal, Row, Section, amount

DELAYS = (0, 20, 100)  # ms, for a round trip
WIRE_ROUNDS = 3


def round_trips(bench: Bench) -> Section:
    """Campaigns through a proxy that delays and counts, to a relay with PIPELINING alone, and to one with CHUNKING."""
    section = Section("Round trips")
    people = bench.audience(bench.sizes.far_away)
    count = people.people
    rows = []
    # With PIPELINING alone, nothing announces the first mail of a connection: it takes one more.
    first = CONNECTIONS / count
    for name, sink, goal in (
        ("PIPELINING alone", relays.smtp_sink, 1.0 + first),
        ("CHUNKING", relays.chunking_sink, 1.0),
    ):
        counted = []
        with sink() as port:
            for milliseconds in DELAYS:
                with relays.far_away(port, milliseconds / 1000) as far, copied(people) as copy:
                    sent = campaign.send(copy, far.port)
                    counted.append(far.round_trips() / count)
                rows.append(
                    (name, milliseconds, f"{sent.rate:,.0f}", f"{sent.cpu_us:.0f}", f"{counted[-1]:.3f}")
                )
                bench.say(
                    f"{name}, {milliseconds} ms: {sent.rate:,.0f}/s, {counted[-1]:.3f} round trips a mail"
                )
        what = f"round trips a mail, {name}, counted by the proxy"
        section.rows.append(Row(what, Goal(goal, at_most=True), max(counted), counted))
    section.table(
        ("relay offers", "round trip, ms", "sending, messages/s", "CPU, µs", "round trips a mail"), rows
    )
    section.lines.append(
        f"Whole campaigns of {count:,} over {CONNECTIONS} connections; the proxy does not count EHLO and QUIT. With "
        f"PIPELINING alone the first mail of each connection takes two, {first:.3f} a mail more in this campaign."
    )
    _add_wire(bench, section)
    return section


def _add_wire(bench: Bench, section: Section) -> None:
    """Ready messages over warm connections: what the SMTP client alone can do."""
    count = bench.sizes.signed
    rates: dict[str, list[float]] = {}
    with relays.smtp_sink() as pipelining, relays.chunking_sink() as chunking:
        for _ in range(min(WIRE_ROUNDS, bench.sizes.rounds)):
            finished = relays.smtp_source(pipelining, count, CONNECTIONS, payload=bench.payload)
            for name, seconds in (
                ("smtp-source -d", finished.seconds),
                ("ours, PIPELINING, smtp-sink", _wire(bench, pipelining, count)),
                ("ours, CHUNKING, a sink of our own in Python", _wire(bench, chunking, count)),
            ):
                rates.setdefault(name, []).append(count / seconds)
    theirs = median(rates["smtp-source -d"])
    section.table(
        ("ready messages, no ledger, no distance", "messages/s", "against smtp-source"),
        [(name, f"{median(found):,.0f}", amount(median(found) / theirs)) for name, found in rates.items()],
    )


def _wire(bench: Bench, port: int, messages: int) -> float:
    """The seconds that ready messages take."""
    numbers = map(str, (port, messages, CONNECTIONS, round(bench.length)))
    told = programs.run([programs.PYTHON, "-m", "benchmarks.wire", *numbers]).output
    return float(json.loads(told)["seconds"])
