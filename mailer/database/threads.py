"""Run database work in threads, beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

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
