"""What tests measured: shown by `pytest -s` or `-rP`, and gathered by `make soak`."""

from __future__ import annotations

import sys

SIGN = "measured: "


def tell(figures: str) -> None:
    sys.stdout.write(f"\n{SIGN}{figures}\n")
