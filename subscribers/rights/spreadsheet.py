"""Cells of CSV files that people open in a spreadsheet, which would take some texts for formulas."""

from __future__ import annotations

import re

# With apostrophes of its own, so that `original` takes off the right one.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def without_formula(cell: str) -> str:
    """The cell with an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def original(cell: str) -> str:
    """The text that `without_formula` was given. It may begin with an apostrophe of its own."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell, 1) else cell
