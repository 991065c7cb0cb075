"""Work in a thread while a command runs. What does the work is imported only once there is something to do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

LOOK_SECONDS = 1.0


class Work(Protocol):
    """Work that goes on until it is told to finish."""

    async def run(self) -> None:
        """Work."""

    async def finish(self, running: asyncio.Task[None]) -> None:
        """End the task of `run`."""


@contextmanager
def in_background(name: str, is_wanted: Callable[[], bool], make: Callable[[], Work]) -> Iterator[None]:
    """Within it the work that `make` makes goes on in a thread, from when `is_wanted` first says so."""
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=(is_wanted, make, stop), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _run(is_wanted: Callable[[], bool], make: Callable[[], Work], stop: threading.Event) -> None:
    while not is_wanted():
        if stop.wait(LOOK_SECONDS):
            return

    async def run() -> None:
        work = make()
        running = asyncio.create_task(work.run())
        await asyncio.to_thread(stop.wait)
        await work.finish(running)

    asyncio.run(run())
