"""Charts for a terminal: rows with a bar each, as wide as the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LONGEST_LABEL = 0.4  # of the width
_SHORTEST_BAR = 8


class Bar(NamedTuple):
    """A row: what it is about, a number, and the number as a person reads it."""

    label: str
    number: float
    text: str


def draw_bars(bars: Sequence[Bar], width: int, *, in_ascii: bool = False) -> list[str]:
    """The rows, the longest bar to the end of the width, with numbers after labels.

    Long labels are cut. Where the width has no room for bars there are only labels and numbers.
    """
    most = max((one.number for one in bars), default=0)
    label_width = min(max((len(one.label) for one in bars), default=0), int(width * _LONGEST_LABEL))
    text_width = max((len(one.text) for one in bars), default=0)
    room = width - label_width - text_width - len("    ")
    lines = []
    for one in bars:
        label = (
            one.label if len(one.label) <= label_width else _cut(one.label, label_width, in_ascii=in_ascii)
        )
        line = f"  {label:<{label_width}} {one.text:>{text_width}} "
        if room >= _SHORTEST_BAR and most:
            line += draw_bar(one.number / most, room, in_ascii=in_ascii)
        lines.append(line.rstrip())
    return lines


def draw_bar(share: float, room: int, *, in_ascii: bool = False) -> str:
    """A bar over `share` of `room` characters. What is more than nothing is seen."""
    if share <= 0:
        return ""
    if in_ascii:
        return "#" * max(round(share * room), 1)
    eighths = max(round(share * room * 8), 1)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def _cut(label: str, width: int, *, in_ascii: bool) -> str:
    mark = "~" if in_ascii else "…"
    return label[: max(width - 1, 0)] + mark
