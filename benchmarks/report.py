"""The results, and how RESULTS.md shows them."""

from __future__ import annotations

import pstats
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Goal:
    """A minimum or a maximum, in a unit."""

    value: float
    unit: str = ""
    at_most: bool = False

    def met_by(self, found: float) -> bool:
        """Whether `found` meets it."""
        return found <= self.value if self.at_most else found >= self.value

    def __str__(self) -> str:
        return f"{'at most' if self.at_most else 'at least'} {amount(self.value, self.unit)}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the first table: a goal, and the result (the median of the rounds)."""

    what: str
    goal: Goal
    found: float
    rounds: Sequence[float] = ()

    @property
    def met(self) -> bool:
        """Whether the goal is met."""
        return self.goal.met_by(self.found)

    def __str__(self) -> str:
        if self.met:
            verdict = "yes"
        else:
            off = abs(self.found - self.goal.value) / self.goal.value
            verdict = f"**no**, {off:.0%} {'above' if self.goal.at_most else 'below'}"
        spread = (
            f" ({amount(min(self.rounds))} to {amount(max(self.rounds))})" if len(self.rounds) > 1 else ""
        )
        return f"| {self.what} | {self.goal} | {amount(self.found, self.goal.unit)}{spread} | {verdict} |"


@dataclass(slots=True)
class Section:
    """The results of one part: rows for the first table, and its own figures and remarks."""

    title: str
    rows: list[Row] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add a table of figures."""
        self.lines += ["", table(heads, rows), ""]

    def profile(self, title: str, paths: Sequence[Path], most: int = 12) -> None:
        """Add a profile of the time spent; the first path is the main thread's."""
        note = (
            "by the clock of cProfile, which slows Python down and C not. `run` of asyncio is uvloop itself, "
            "`get` a thread that has nothing to do; both wait there."
        )
        self.lines += ["", f"{title}, {note}"]
        groups = {"main thread": paths[:1], "other threads": paths[1:]}
        for name, found in groups.items():
            if not found:
                continue
            heads = (f"{name}: function", "calls", "own ms", "with all it calls, ms")
            self.table(heads, _top(found, most))


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown. Columns of figures, the first apart, are aligned to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    columns = range(1, len(heads))
    figures = [all(row[column][:1].isdigit() or not row[column] for row in cells) for column in columns]
    marks = ["---", *("---:" if is_figure else "---" for is_figure in figures)]
    lines = [f"| {' | '.join(heads)} |", f"|{'|'.join(marks)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in cells)])


def amount(value: float, unit: str = "") -> str:
    """A figure with a sensible number of digits."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}{' ' if unit else ''}{unit}"


def text(
    machine: Sequence[tuple[str, str]],
    how: str,
    sections: Sequence[Section],
    unfinished: Sequence[str],
    left_out: Sequence[str],
) -> str:
    """The text of RESULTS.md."""
    lines = [
        "# Benchmark results",
        "",
        "Written by `make bench`. All figures are from one run on one machine, side by side; what carries over to",
        "another machine are the ratios, and even these are no promise.",
        "",
        how,
        "",
        "| What must hold | goal | found (lowest to highest round) | holds |",
        "|---|---|---|---|",
        *(str(row) for section in sections for row in section.rows),
        "",
    ]
    if unfinished:
        lines += ["Still to come: " + ", ".join(unfinished) + ".", ""]
    if left_out:
        lines += ["Not asked for in this run: " + ", ".join(left_out) + ".", ""]
    lines += ["## The machine", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in machine]
    for section in sections:
        lines += ["", f"## {section.title}", "", *section.lines]
    return _squeezed(lines)


def _squeezed(lines: Sequence[str]) -> str:
    """Remove repeated empty lines."""
    kept: list[str] = []
    for line in lines:
        if line or not kept or kept[-1]:
            kept.append(line)
    return "\n".join(kept).strip() + "\n"


def _top(paths: Sequence[Path], most: int) -> list[tuple[object, ...]]:
    statistics = pstats.Stats(*map(str, paths)).stats  # type: ignore[attr-defined]  # typeshed leaves it out
    by_own_time = sorted(statistics.items(), key=lambda item: -item[1][2])[:most]
    return [
        (f"`{_place(*where)}`", f"{calls:,}", f"{own * 1000:,.0f}", f"{cumulated * 1000:,.0f}")
        for where, (_, calls, own, cumulated, _) in by_own_time
    ]


def _place(file: str, line: int, function: str) -> str:
    if file == "~":
        return function.replace("|", "\\|")
    path = Path(file)
    return f"{path.parent.name}/{path.name}:{line} {function}"
