"""Group commit: the work of many waiting tasks in one durable transaction.

An fsync costs the same for one row as for fifty. While one transaction commits, whatever arrives waits
together and forms the next, so groups grow with the load by themselves and a lone item never waits for
company.

On SQLite the event loop itself commits: that takes less than to hand it to a thread, with which it would
compete for the interpreter. A thread waits where there is something to wait for: somebody else who writes to the
file, or PostgreSQL's answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, TypeVar, cast

from sqlalchemy import Connection

from mailer.database.engine import Database
from mailer.errors import Locked

MAX_WAIT = 0.002  # seconds

Item = TypeVar("Item")
Result = TypeVar("Result")


class GroupCommit(Generic[Item, Result]):
    """Applies submitted items in groups, each group in one transaction, in order of arrival.

    `apply` gets the open transaction and the items, and returns one result an item. If it raises, or the commit
    fails, every task of that group gets the error and nothing of the group is in the database.

    `expected` says how many more are soon to come: while that is more than wait already, a group waits for them,
    up to MAX_WAIT. So those who come and go in a circle form two groups, one of which commits while the other is
    on its way.

    On PostgreSQL, which is waited for more than it works, up to `max_concurrent` transactions are under way at once; order is
    then kept only within each.
    """

    def __init__(
        self,
        database: Database,
        apply: Callable[[Connection, Sequence[Item]], Sequence[Result]],
        *,
        max_batch: int = 500,
        expected: Callable[[], int] = lambda: 0,
        max_concurrent: int = 1,
    ) -> None:
        self._database = database
        self._apply = apply
        self._max_batch = max_batch
        self._expected = expected
        self._enough: asyncio.Future[None] | None = None
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._gathering = False  # one group forms at a time, however many are being committed
        self._max_concurrent = 1 if database.is_sqlite else max_concurrent
        self._runners: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(
            max_workers=self._max_concurrent, thread_name_prefix="group-commit"
        )

    async def submit(self, item: Item) -> Result:
        """Wait until `item` is applied and durable; returns what `apply` made of it."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._enough is not None and not self._enough.done() and self._is_complete():
            self._enough.set_result(None)
        self._gather_next()
        return await future

    async def close(self) -> None:
        """Finish what was submitted and let the threads go."""
        while self._runners:
            await asyncio.wait(self._runners)
        self._threads.shutdown()

    def _gather_next(self) -> None:
        """See that the next group forms, if there is room for one more transaction."""
        if self._waiting and not self._gathering and len(self._runners) < self._max_concurrent:
            self._gathering = True
            self._runners.add(asyncio.create_task(self._run()))

    async def _run(self) -> None:
        try:
            while True:
                group = await self._gather()
                self._gather_next()
                await self._settle(group)
                if self._gathering or not self._waiting:
                    return
                self._gathering = True
        finally:
            self._runners.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _settle(self, group: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._commit([item for item, _ in group])
            settled = list(zip(group, results, strict=True))
        except Exception as error:  # noqa: BLE001 - whatever it is, it goes to those who wait for it
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), result in settled:
                if not future.done():
                    future.set_result(result)

    async def _gather(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        try:
            await asyncio.sleep(0)  # whoever is ready by now joins
            if not self._is_complete():
                await self._wait_for_expected()
        finally:
            self._gathering = False
        group, self._waiting = self._waiting[: self._max_batch], self._waiting[self._max_batch :]
        return group

    def _is_complete(self) -> bool:
        return len(self._waiting) >= min(self._expected(), self._max_batch)

    async def _wait_for_expected(self) -> None:
        loop = asyncio.get_running_loop()
        self._enough = loop.create_future()
        timer = loop.call_later(MAX_WAIT, _resolve, self._enough)
        try:
            await self._enough
        finally:
            timer.cancel()
            self._enough = None

    async def _commit(self, items: Sequence[Item]) -> Sequence[Result]:
        if self._database.is_sqlite:
            with suppress(Locked), self._database.write_at_once() as connection:
                return self._apply(connection, items)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._wait_and_commit, items)

    def _wait_and_commit(self, items: Sequence[Item]) -> Sequence[Result]:
        with self._database.write(checked=False) as connection:
            return self._apply(connection, items)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
