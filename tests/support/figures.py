"""Figures that tests measure: shown by `pytest -s` or `-rP`, and collected by `make soak`."""

from __future__ import annotations

import sys

LINE_PREFIX = "measured: "


def report_figures(figures: str) -> None:
    """Print `figures` as a line that `make soak` collects."""
    sys.stdout.write(f"\n{LINE_PREFIX}{figures}\n")
