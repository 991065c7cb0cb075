"""Tables on stdout."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence

_UNLIMITED_COLUMNS = 1000  # without a terminal each row stays on one line, for grep


def format_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The rows below their titles, as wide as the terminal; long values are folded there."""
    from rich.console import Console  # noqa: PLC0415 - slow to import, and `mailer run-due` needs no table
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    written = io.StringIO()
    width = Console().width if sys.stdout.isatty() else _UNLIMITED_COLUMNS
    Console(file=written, width=width).print(table)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())
