"""The form of a table: as it is, as labelled rows on a phone, or as labelled rows everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from markdown_it.token import Token

# Characters of 14 pixels between the margins: of a phone of 320 pixels, and of a desktop.
_PHONE_CHARACTERS, _DESKTOP_CHARACTERS = 28, 70
_GAP_CHARACTERS = 2  # between two columns
_LONGEST_WORD = 18  # a longer one is broken
_SHORT_CELL = 18
_FIGURE_CHARACTERS = 11  # such as "€ 1,234.00"
_MAX_COLUMNS = 6  # of a table that keeps its columns
_CELLS = frozenset({"th_open", "td_open"})


class TableForm(StrEnum):
    """`PLAIN` fits a phone, `STACKED` becomes labelled rows there, `RECORDS` is labelled rows everywhere."""

    PLAIN = "plain"
    STACKED = "stacked"
    RECORDS = "records"


@dataclass(slots=True)
class TableShape:
    """A table while it is written: its form, the words of its headings, and the column of the next cell.

    `longest` is the number of characters after which a word in a cell may be broken. `is_compact`: all labels and cells
    are so short that each label stands beside its cell.
    """

    form: TableForm
    labels: tuple[str, ...]
    longest: int
    is_compact: bool = False
    column: int = 0
    is_head: bool = True


def measure_table(tokens: Sequence[Token], start: int) -> TableShape:
    """The shape of the table that begins at `start`. It depends on the longest word in each column."""
    rows: list[list[str]] = []
    figures: set[str] = set()
    for index in range(start, len(tokens)):
        if tokens[index].type == "table_close":
            break
        if tokens[index].type == "tr_open":
            rows.append([])
        elif tokens[index].type in _CELLS:
            rows[-1].append(_words(tokens[index + 1]))
            if is_figure(tokens, index):
                figures.add(rows[-1][-1])
    labels = tuple(rows[0])
    columns = max(len(labels), 1)
    widths = [
        max(
            (len(word) for cell in column for word in ([cell] if cell in figures else cell.split())),
            default=0,
        )
        for column in zip(*rows, strict=True)
    ]
    gaps = _GAP_CHARACTERS * (columns - 1)
    fitting = sum(min(width, _LONGEST_WORD) for width in widths) + gaps
    if columns == 1 or sum(widths) + gaps <= _PHONE_CHARACTERS:
        return TableShape(TableForm.PLAIN, labels, _PHONE_CHARACTERS)
    is_compact = all(len(cell) <= _SHORT_CELL for row in rows for cell in row)
    if columns > _MAX_COLUMNS or fitting > _DESKTOP_CHARACTERS:
        return TableShape(TableForm.RECORDS, labels, _PHONE_CHARACTERS, is_compact)
    return TableShape(TableForm.STACKED, labels, _LONGEST_WORD, is_compact)


def read_alignment(cell: Token) -> str:
    """``left``, ``center``, ``right``, or nothing."""
    return str(cell.attrs.get("style", "")).rpartition(":")[2]


def is_figure(tokens: Sequence[Token], index: int) -> bool:
    """Whether the cell that begins at `index` is a number with its unit, which stay on one line."""
    if tokens[index].type != "td_open" or read_alignment(tokens[index]) != "right":
        return False
    words = _words(tokens[index + 1])
    return " " in words and len(words) <= _FIGURE_CHARACTERS


def _words(inline: Token) -> str:
    return " ".join(
        "".join(child.content if child.nesting == 0 else "" for child in inline.children or ()).split()
    )
