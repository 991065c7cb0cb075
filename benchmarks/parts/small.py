"""Throughput at small audiences, and all sizes together for the chart."""

from __future__ import annotations

from benchmarks import campaign, relays
from benchmarks.audience import copied
from benchmarks.bench import CONNECTIONS, Bench
from benchmarks.report import Section


def small(bench: Bench) -> Section:
    """The whole command for a tenth of the small audience, and for that itself."""
    section = Section("Throughput against audience size")
    with relays.smtp_sink() as port:
        for people in (bench.sizes.small // 10, bench.sizes.small):
            for engine, title in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL")):
                with copied(bench.audience(people, engine)) as copy:
                    bench.points[title].append((people, campaign.send(copy, port).whole_rate))
            seconds = relays.smtp_source(port, people, CONNECTIONS, payload=bench.payload).seconds
            bench.points["smtp-source"].append((people, people / seconds))
    section.lines.append(
        "The whole command, by one process; for the sizes of other parts, the median of their rounds."
    )
    section.lines.append("\n![Messages a second against the size of the audience](throughput.svg)")
    section.table(
        ("", "recipients", "messages/s"),
        [
            (name, f"{people:,.0f}", f"{rate:,.0f}")
            for name, points in bench.points.items()
            for people, rate in sorted(points)
        ],
    )
    return section
