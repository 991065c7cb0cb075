"""Wait for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable

TIMEOUT_SECONDS = 180  # for what takes a second on a quiet machine


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until the condition holds. Fails the test, with `what`, after TIMEOUT_SECONDS."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.01)
