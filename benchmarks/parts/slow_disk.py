"""A campaign on a disk whose fsync takes 10 ms; only the sender's disk is slow."""

from __future__ import annotations

from statistics import median

from benchmarks import campaign, relays
from benchmarks import slow_disk as disks
from benchmarks.audience import copied
from benchmarks.bench import CONNECTIONS, Bench
from benchmarks.programs import Missing
from benchmarks.report import Goal, Row, Section

MILLISECONDS = 10


def slow_disk(bench: Bench) -> Section:
    """SQLite, with 20 connections."""
    section = Section(f"A slow disk: fsync of {MILLISECONDS} ms")
    try:
        disk = disks.slow_disk(bench.folder, MILLISECONDS)
    except Missing as missing:
        section.lines.append(f"It was left out: {missing}")
        return section
    checked = disk.check()
    people = bench.audience(bench.sizes.slow_disk)
    rounds = []
    with relays.smtp_sink() as port:
        for number in range(bench.sizes.rounds):
            disk.calls()
            with copied(people) as copy:
                sent = campaign.send(copy, port, extra=disk.environment)
            rounds.append((sent, disk.calls()))
            bench.say(f"slow disk, round {number + 1} of {bench.sizes.rounds}: {sent.rate:,.0f}/s")
    rates = [sent.rate for sent, _ in rounds]
    what = f"fsync of {MILLISECONDS} ms, {CONNECTIONS} connections, SQLite, sending alone"
    section.rows.append(Row(what, Goal(1200, "messages/s"), median(rates), rates))
    section.table(
        ("round", "sending alone, messages/s", "CPU, µs", "whole command, messages/s", "CPU, µs",
         "delayed calls", "mails a call"),
        [
            (number, f"{sent.rate:,.0f}", f"{sent.cpu_us:.0f}", f"{sent.whole_rate:,.0f}",
             f"{sent.whole_cpu_us:.0f}", f"{calls:,}", f"{sent.messages / calls:.1f}")
            for number, (sent, calls) in enumerate(rounds, 1)
        ],
    )  # fmt: skip
    section.lines.append(
        f"{people.people:,} mails. A library that is preloaded into the command, and into nothing else, delays each fsync "
        f"and fdatasync, and counts them. Tried alone, a call took {checked:.1f} ms."
    )
    return section
