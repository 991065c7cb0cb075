"""How often a sender waits for the relay, and what a distant relay costs."""

from __future__ import annotations

from statistics import median

from benchmarks import campaign, programs, relays
from benchmarks.audience import copied
from benchmarks.bench import CONNECTIONS, Bench
from benchmarks.peers.timed import Timed
from benchmarks.report import Goal, Row, Section, amount

DELAYS = (0, 20, 100)  # ms, for a round trip


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
    found: dict[str, list[Timed]] = {}
    with relays.smtp_sink() as pipelining, relays.chunking_sink() as chunking:
        for _ in range(bench.sizes.rounds):
            theirs = relays.smtp_source(pipelining, count, CONNECTIONS, payload=bench.payload)
            for name, timed in (
                ("smtp-source -d", Timed(count / theirs.seconds, theirs.cpu_seconds / count * 1e6)),
                ("ours, PIPELINING, smtp-sink", _wire(bench, pipelining, count)),
                ("ours, CHUNKING, a sink of our own in Python", _wire(bench, chunking, count)),
            ):
                found.setdefault(name, []).append(timed)
    rates = {name: median(each.rate for each in timed) for name, timed in found.items()}
    section.table(
        ("ready messages, no ledger, no distance", "messages/s", "CPU, µs", "against smtp-source"),
        [
            (name, f"{rates[name]:,.0f}", f"{median(each.cpu_us for each in timed):.0f}",
             amount(rates[name] / rates["smtp-source -d"]))
            for name, timed in found.items()
        ],
    )  # fmt: skip


def _wire(bench: Bench, port: int, messages: int) -> Timed:
    numbers = map(str, (port, messages, CONNECTIONS, round(bench.length)))
    return Timed.of(programs.run([programs.PYTHON, "-m", "benchmarks.wire", *numbers]), messages)
