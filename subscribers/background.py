"""Work in a thread while a command runs. What does the work is imported only once there is something to do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from mailer.errors import starting_thread

LOOK_SECONDS = 1.0


class Work(Protocol):
    """Work that goes on until it is told to finish."""

    async def run(self) -> None:
        """Work."""

    async def finish(self, running: asyncio.Task[None]) -> None:
        """End the task of `run`."""


@contextmanager
def in_background(name: str, is_wanted: Callable[[], bool], make: Callable[[], Work]) -> Iterator[None]:
    """Do the work of `make` in a thread during the block, as soon as `is_wanted` says so.

    Raises NoProcess where no thread can be started.
    """
    background = _Background(is_wanted, make)
    thread = threading.Thread(target=background.run, name=name, daemon=True)
    with starting_thread():
        thread.start()
    try:
        yield
    finally:
        background.stop()
        thread.join()


class _Background:
    """The thread's work. It takes no second thread to wait for the end: there may be none."""

    def __init__(self, is_wanted: Callable[[], bool], make: Callable[[], Work]) -> None:
        self._is_wanted, self._make = is_wanted, make
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    def run(self) -> None:
        while not self._is_wanted():
            if self._stopped.wait(LOOK_SECONDS):
                return
        asyncio.run(self._work())

    def stop(self) -> None:
        """End the work; safe from another thread."""
        self._stopped.set()
        with self._lock:
            if self._loop is not None and self._stopping is not None:
                self._loop.call_soon_threadsafe(self._stopping.set)

    async def _work(self) -> None:
        stopping = asyncio.Event()
        with self._lock:
            self._loop, self._stopping = asyncio.get_running_loop(), stopping
        work = self._make()
        running = asyncio.create_task(work.run())
        if not self._stopped.is_set():
            await stopping.wait()
        await work.finish(running)
        with self._lock:
            self._loop = self._stopping = None
