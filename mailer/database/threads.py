"""Run database work in threads, beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from mailer.errors import exhausted_limit

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


async def in_thread(work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
    """Run `work` in a thread; returns what it returns.

    Raises TryAgainLater where no thread can be started. A caller that is cancelled waits for the thread: only then its connection is back in the pool. Closing the
    database earlier would leave that connection open.
    """
    running = asyncio.create_task(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(running)
    except RuntimeError as error:
        raise exhausted_limit(error) or error from None
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # else asyncio would report an error that nobody waits for any more
        raise
