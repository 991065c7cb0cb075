"""Charts as values for a template: where each shape stands, in percent of the width, without text that is scaled.

The template `pages/charts.html.j2` draws them as SVG. Each has a title, a description, and a table with its numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import NamedTuple

_THINNEST = 0.5  # percent: what is more than nothing is seen
_GAP = 0.2  # percent between two parts of a bar


class Part(NamedTuple):
    """A part of a bar: its kind, which has a colour, from where it goes and how far, in percent; what it says."""

    kind: str
    start: float
    length: float
    text: str = ""


class Tick(NamedTuple):
    """A label of an axis, at a place in percent. `anchor` says which side of a text on the x axis is there."""

    place: float
    label: str
    anchor: str = "middle"


class Row(NamedTuple):
    """A labelled bar. `text` stands at its right end."""

    label: str
    text: str
    parts: tuple[Part, ...]


class Table(NamedTuple):
    """A table beside a chart. The first cell of a row is its heading, and has the colour of `kinds` where there is one."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AreaChart:
    """Numbers that grow over time. `areas` has the kind of each, and the path of its line in a square of 100 by 100."""

    areas: tuple[tuple[str, str], ...]
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class ColumnChart:
    """Columns of parts. Each column has the place of its left edge and its width in percent. `axis` names the x axis."""

    columns: tuple[tuple[float, float, tuple[Part, ...]], ...]
    y_ticks: tuple[Tick, ...]
    x_ticks: tuple[Tick, ...]
    axis: str = ""


@dataclass(frozen=True, slots=True)
class BarChart:
    """Labelled bars below each other; one without a label is a bar of shares."""

    rows: tuple[Row, ...]


def share_parts(numbers: Sequence[tuple[str, int, str]], whole: int, length: float = 100) -> tuple[Part, ...]:
    """Parts side by side over `length` percent. `numbers` has kind, number and text of each; zeros are left out.

    The smallest parts are widened at the cost of the larger ones.
    """
    shown = [one for one in numbers if one[1] > 0]
    if not shown or whole <= 0:
        return ()
    total = sum(number for _, number, _ in shown)
    widths = _widen([number for _, number, _ in shown], min(total / whole * length, length))
    parts, start = [], 0.0
    for (kind, _, text), own in zip(shown, widths, strict=True):
        gap = _GAP if len(shown) > 1 and own > 2 * _GAP else 0
        parts.append(Part(kind, round(start, 3), round(own - gap, 3), text))
        start += own
    return tuple(parts)


def _widen(numbers: Sequence[int], length: float) -> list[float]:
    """Widths in proportion to `numbers`, none below _THINNEST, that fill `length` if it has room for them."""
    small: set[int] = set()
    while True:
        large = sum(number for place, number in enumerate(numbers) if place not in small)
        scale = (length - len(small) * _THINNEST) / large if large else 0
        thin = {place for place, number in enumerate(numbers) if number * scale < _THINNEST}
        if thin <= small:
            return [_THINNEST if place in small else number * scale for place, number in enumerate(numbers)]
        small |= thin


def line_path(points: Sequence[tuple[float, float]]) -> str:
    """The path through points with x and y from 0 to 1, in a square of 100 by 100 with y downwards."""
    return "M" + " L".join(f"{x * 100:.2f} {100 - y * 100:.2f}" for x, y in points)


def round_ticks(most: float, about: int = 4) -> list[int]:
    """Round numbers from 0 to `most` or a little above, about so many."""
    if most <= 0:
        return [0, 1]
    rough = max(most / about, 1)
    power = 10 ** floor(log10(rough))
    step = next(int(power * factor) for factor in (1, 2, 5, 10) if power * factor >= rough)
    ticks = list(range(0, int(most) + step, step))
    return ticks if ticks[-1] >= most else [*ticks, ticks[-1] + step]


def number_ticks(ticks: Sequence[int], write: Callable[[int], str]) -> tuple[Tick, ...]:
    """The labels of a y axis up to the last of `ticks`."""
    return tuple(Tick(one / ticks[-1] * 100, write(one)) for one in ticks)
