"""What an act costs, to compare with what another act of the same run costs.

A machine that is busy makes single measurements several times too large, also in CPU time. So a cost is the least of some
tries, without the collection of garbage, whose cost grows with everything that the other tests left in memory.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

TRIES = 6


def cpu_seconds(act: Callable[[], object], *, enough: float | None = None, tries: int = TRIES) -> float:
    """The least CPU time that `act` took in some tries, in seconds. The first try that takes less than `enough` is the last."""
    least = float("inf")
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(tries):
            began = time.process_time()
            act()
            least = min(least, time.process_time() - began)
            if enough is not None and least < enough:
                break
    finally:
        if was_enabled:
            gc.enable()
    return least


def costs_less(act: Callable[[], object], seconds: float) -> bool:
    """Whether `act` takes less CPU time than this in one of some tries."""
    return cpu_seconds(act, enough=seconds) < seconds
