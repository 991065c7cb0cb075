"""Run database work in threads, beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

from mailer.errors import starting_thread

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


async def in_thread(work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
    """Run `work` in a thread; returns what it returns.

    A caller that is cancelled waits for the thread: only then its connection is back in the pool. Closing the database
    earlier would leave that connection open. Raises NoProcess where no thread can be started.
    """
    running = asyncio.create_task(asyncio.to_thread(work, *arguments))
    try:
        with starting_thread():
            return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # else asyncio would report an error that nobody waits for any more
        raise


class ThreadWork:
    """Runs work in threads for callers with a time limit. A caller that gives up does not wait for its thread; `close` does."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    async def run(self, work: Callable[[], Result], on_end: Callable[[], None] | None = None) -> Result:
        """Run `work` in a thread; returns what it returns. `on_end` is called when the thread is free again.

        Raises NoProcess where no thread can be started.
        """
        running = asyncio.create_task(in_thread(work))
        self._running.add(running)
        running.add_done_callback(partial(self._end, on_end))
        return await asyncio.shield(running)

    async def close(self) -> None:
        """Wait for the work that is still going on."""
        while self._running:
            await asyncio.wait(self._running)

    def _end(self, on_end: Callable[[], None] | None, ended: asyncio.Task[Any]) -> None:
        self._running.discard(ended)
        if not ended.cancelled():
            ended.exception()  # else asyncio would report an error that nobody waits for any more
        if on_end is not None:
            on_end()
