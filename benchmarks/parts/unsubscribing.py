"""Many simultaneous unsubscribe requests."""

from __future__ import annotations

from statistics import median

from benchmarks import unsubscribe
from benchmarks.bench import Bench
from benchmarks.report import Goal, Row, Section


def unsubscribing(bench: Bench) -> Section:
    """100 at a time, on SQLite."""
    found = []
    for number in range(bench.sizes.rounds):
        folder = bench.folder / f"unsubscribe-{number}"
        folder.mkdir()
        found.append(unsubscribe.measure(folder, bench.sizes.posts, 100))
    rates, tails = [each.rate for each in found], [each.p99_ms for each in found]
    section = Section("Unsubscribing")
    what = "unsubscribe POSTs, 100 at a time, one process, SQLite"
    section.rows += [
        Row(what, Goal(2000, "/s"), median(rates), rates),
        Row(f"{what}: p99", Goal(100, "ms", at_most=True), median(tails), tails),
    ]
    section.table(
        ("round", "POSTs/s", "median, ms", "p99, ms", "CPU of the server a POST, µs"),
        [
            (number, f"{each.rate:,.0f}", f"{each.median_ms:.1f}", f"{each.p99_ms:.1f}", f"{each.cpu_us:.0f}")
            for number, each in enumerate(found, 1)
        ],
    )
    folder, profile = bench.folder / "unsubscribe-profiled", bench.folder / "unsubscribe.profile"
    folder.mkdir()
    unsubscribe.measure(folder, bench.sizes.profiled, 100, profile=profile)
    section.profile(f"Where the server's time goes, for {bench.sizes.profiled:,} POSTs", [profile])
    return section
