"""Comparisons in turns: smtp-source and a campaign of ours, at the same sink, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks import campaign, relays
from benchmarks.audience import Audience, copied
from benchmarks.bench import CONNECTIONS, Bench
from benchmarks.campaign import Sent
from benchmarks.programs import Finished
from benchmarks.report import Goal, Row, Section

HEADS = (
    "recipients",
    "round",
    "smtp-source, messages/s",
    "its CPU, µs",
    "sending alone, messages/s",
    "CPU, µs",
    "whole command, messages/s",
    "CPU, µs",
    "PostgreSQL's CPU, µs",
    "peak, MB",
)


@dataclass(frozen=True, slots=True)
class Turn:
    """smtp-source and a campaign of as many mails; `server_us` is the CPU of the PostgreSQL server a message."""

    theirs: Finished
    ours: Sent
    server_us: float = 0.0

    @property
    def their_rate(self) -> float:
        """Messages a second of smtp-source."""
        return self.ours.messages / self.theirs.seconds

    @property
    def alone(self) -> float:
        """Our rate of sending alone, against smtp-source's."""
        return self.ours.rate / self.their_rate

    @property
    def whole(self) -> float:
        """The rate of our whole command, against smtp-source's."""
        return self.ours.whole_rate / self.their_rate

    def cells(self, number: int) -> tuple[str, ...]:
        """A row of the table under HEADS."""
        ours = self.ours
        return (
            f"{ours.messages:,}",
            str(number),
            f"{self.their_rate:,.0f}",
            f"{self.theirs.cpu_seconds / ours.messages * 1e6:.0f}",
            f"{ours.rate:,.0f}",
            f"{ours.cpu_us:.0f}",
            f"{ours.whole_rate:,.0f}",
            f"{ours.whole_cpu_us:.0f}",
            f"{self.server_us:.0f}" if self.server_us else "",
            f"{ours.peak_bytes / 1e6:.0f}",
        )


def take_turns(bench: Bench, port: int, people: Audience, rounds: int) -> list[Turn]:
    """That many turns at the sink at `port`; who begins alternates."""
    turns = []
    for number in range(rounds):
        before = number % 2 == 0
        theirs = _smtp_source(bench, port, people) if before else None
        with copied(people) as copy:
            server = bench.server_cpu_seconds(people.engine)
            ours = campaign.send(copy, port)
            server = bench.server_cpu_seconds(people.engine) - server
        turn = Turn(theirs or _smtp_source(bench, port, people), ours, server / people.people * 1e6)
        turns.append(turn)
        bench.say(
            f"{people.people:,} on {people.engine}, round {number + 1} of {rounds}: smtp-source {turn.their_rate:,.0f}/s, "
            f"sending {ours.rate:,.0f}/s, whole {ours.whole_rate:,.0f}/s"
        )
    return turns


def add_goals(
    section: Section, title: str, turns: Sequence[Turn], *, alone: float, whole: float | None
) -> None:
    """The rows of the first table: sending alone, and the whole command where there is a goal for that size."""
    count = turns[0].ours.messages
    ratios = [turn.alone for turn in turns]
    what = f"{title}, {count:,}, sending alone, against smtp-source"
    section.rows.append(Row(what, Goal(alone), median(ratios), ratios))
    if whole is not None:
        ratios = [turn.whole for turn in turns]
        what = f"{title}, {count:,}, whole command, against smtp-source"
        section.rows.append(Row(what, Goal(whole), median(ratios), ratios))


def _smtp_source(bench: Bench, port: int, people: Audience) -> Finished:
    return relays.smtp_source(port, people.people, CONNECTIONS, payload=bench.payload)
