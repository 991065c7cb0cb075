"""Whole campaigns on each database engine, unsigned, by one process, beside smtp-source at the same sink."""

from __future__ import annotations

from statistics import median

from benchmarks import relays
from benchmarks.bench import Bench
from benchmarks.parts.profiles import add_profile
from benchmarks.parts.turns import HEADS, Turn, add_goals, take_turns
from benchmarks.report import Section, amount


def sqlite(bench: Bench) -> Section:
    """Campaigns on SQLite. The goal of the whole command is for the smallest of the sizes."""
    section = Section("Whole campaigns on SQLite")
    by_size = _campaigns(bench, section, "sqlite")
    for number, turns in enumerate(by_size):
        add_goals(section, "SQLite", turns, alone=1.0, whole=None if number else 0.75)
    _keep(bench, "SQLite", by_size)
    for turns in by_size:
        bench.points["smtp-source"].append(
            (turns[0].ours.messages, median(turn.their_rate for turn in turns))
        )
    bench.measured["unsigned"] = median(turn.ours.rate for turn in by_size[-1])
    add_profile(bench, section, "sqlite")
    return section


def postgresql(bench: Bench) -> Section:
    """Campaigns on PostgreSQL, whose server shares the cores."""
    section = Section("Whole campaigns on PostgreSQL")
    by_size = _campaigns(bench, section, "postgresql")
    for turns in by_size:
        add_goals(section, "PostgreSQL, server on the same cores", turns, alone=0.6, whole=0.45)
    _keep(bench, "PostgreSQL", by_size)
    bench.measured["server"] = median(turn.server_us for turn in by_size[-1])
    add_profile(bench, section, "postgresql")
    return section


def _campaigns(bench: Bench, section: Section, engine: str) -> list[list[Turn]]:
    """The turns for each size."""
    with relays.smtp_sink() as port:
        by_size = [
            take_turns(bench, port, bench.audience(people, engine), bench.sizes.rounds)
            for people in sorted(bench.sizes.recipients)
        ]
    section.table(HEADS, [turn.cells(number) for turns in by_size for number, turn in enumerate(turns, 1)])
    for turns in by_size:
        whole = median(turn.whole for turn in turns)
        section.lines.append(
            f"The whole command of {turns[0].ours.messages:,}: {amount(whole)} of smtp-source."
        )
    section.lines.append(
        f"The mails are {bench.length:,.0f} bytes long, ours on average and smtp-source's (`-l {bench.payload}`). "
        "The CPU of the whole command includes the start-up and the creation of the deliveries."
    )
    return by_size


def _keep(bench: Bench, title: str, by_size: list[list[Turn]]) -> None:
    """For the chart."""
    for turns in by_size:
        bench.points[title].append((turns[0].ours.messages, median(turn.ours.whole_rate for turn in turns)))
