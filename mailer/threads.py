"""Threads, where the limit of processes may be reached: each counts as a process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

START_SECONDS = 10.0


def start_if_possible(work: Callable[[], None], name: str) -> threading.Thread | None:
    """A thread that does `work`, which the end of the process does not wait for; None where it can't be started."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


def start_all_threads(loop: asyncio.AbstractEventLoop, count: int) -> None:
    """Start `count` threads for `asyncio.to_thread`, which starts no more of them later.

    Raises RuntimeError where that is not possible (`exhausted_limit`).
    """
    threads = ThreadPoolExecutor(count, thread_name_prefix="asyncio")
    all_run = threading.Barrier(count)  # each holds its thread until the last has one
    try:
        for _ in range(count):
            threads.submit(all_run.wait, START_SECONDS)
    except RuntimeError:
        all_run.abort()
        threads.shutdown()
        raise
    loop.set_default_executor(threads)
