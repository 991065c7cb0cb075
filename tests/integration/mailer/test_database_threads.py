"""A task that waits for database work in a thread ends after the work."""

from __future__ import annotations

import asyncio
import threading

import pytest
from sqlalchemy import QueuePool

from mailer.database import Database, in_thread

TIMEOUT_SECONDS = 10


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancelled_caller_waits_until_the_connection_is_back(database: Database, fails: bool) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def work() -> None:
        with database.read():
            begun.set()
            may_end.wait(TIMEOUT_SECONDS)
            if fails:
                raise ValueError

    caller = asyncio.create_task(in_thread(work))
    await asyncio.to_thread(begun.wait, TIMEOUT_SECONDS)
    caller.cancel()
    await asyncio.wait([caller], timeout=0.05)
    assert not caller.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)
    assert pool.checkedout() == 0


async def test_it_returns_and_raises_what_the_work_does() -> None:
    assert await in_thread(divmod, 7, 3) == (2, 1)
    with pytest.raises(ZeroDivisionError):
        await in_thread(divmod, 7, 0)
