"""Run something in a fork of this process."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import time
from collections.abc import Callable

# What it may take: as many times as without a change, and at least so many seconds.
_TIMES, _AT_LEAST = 5, 20.0
_WITHOUT_A_CHANGE = 600.0  # seconds


def passes(run: Callable[[], bool], limit: float = _WITHOUT_A_CHANGE) -> tuple[float | None, float]:
    """Whether `run` returns True within `limit` seconds: then the limit for others like it, or else None.

    Also returns the seconds that it took. Its output is dropped; what it started ends with it.
    """
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            gc.disable()
            os.setsid()
            _become_silent()
            code = 0 if run() else 1
        finally:
            os._exit(code)
    watch = os.pidfd_open(child)
    in_time, _, _ = select.select([watch], [], [], limit)
    os.close(watch)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    took = time.monotonic() - started
    passed = bool(in_time) and os.waitstatus_to_exitcode(status) == 0
    return (max(_AT_LEAST, _TIMES * took) if passed else None), took


def _become_silent() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
