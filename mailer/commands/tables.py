"""Tables on stdout."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterable, Sequence
from itertools import chain

from mailer.output import write_line

_SPACE = re.compile(r"[\s\x00-\x1f\x7f]+")
_GAP = "  "


def format_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The rows below their titles.

    In a terminal long values are folded to its width. Elsewhere each row is one line, for grep and for a
    hundred thousand rows.
    """
    if not sys.stdout.isatty():
        return _plain_columns([titles, *rows])
    from rich.console import Console  # noqa: PLC0415 - slow to import, and `mailer run-due` needs no table
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    written = io.StringIO()
    Console(file=written, width=Console().width).print(table)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())


def write_table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, widths: Sequence[int]) -> int:
    """Write the rows below their titles: in a terminal as `format_table`, elsewhere each row as soon as it is
    known. Returns how many there are.

    Columns have at least the given `widths`, because the widest value is not known yet.
    """
    if sys.stdout.isatty():
        whole = list(rows)
        write_line(format_table(titles, whole))
        return len(whole)
    number = -1  # the first line is not one of the rows
    for row in chain([titles], rows):
        number += 1
        cells = [cell if cell.isprintable() else _SPACE.sub(" ", cell) for cell in row]
        line = _GAP.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")
    sys.stdout.flush()
    return number


def _plain_columns(rows: Sequence[Sequence[str]]) -> str:
    """The rows with their columns padded to the widest value; a line break within a value becomes a space."""
    lines = [[cell if cell.isprintable() else _SPACE.sub(" ", cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in lines
    )
