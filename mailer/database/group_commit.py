"""Group commit: the work of many waiting tasks in one durable transaction.

An fsync costs the same for one row and for fifty. The items that arrive while a transaction commits form the
next group. So groups grow with the load, and a single item does not wait for others.

On SQLite the event loop itself commits: handing over to a thread would cost more, because the two compete for
the interpreter. A thread is used where there is something to wait for: another process that writes to the
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

    `apply` gets the open transaction and the items, and returns one result for each item. If it raises, or
    the commit fails, every task of that group gets the error and nothing of the group is in the database.

    `expected` returns how many submissions are imminent. A group waits for them, at most MAX_WAIT seconds. So
    tasks that submit alternately form two groups: one commits while the other gathers.

    On PostgreSQL, where most of the time is waiting, up to `max_concurrent` transactions are open at once;
    order is then kept only within each.
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
        self._expected_arrived: asyncio.Future[None] | None = None
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._is_gathering = False  # one group gathers at a time, however many are being committed
        self._max_concurrent = 1 if database.is_sqlite else max_concurrent
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(
            max_workers=self._max_concurrent, thread_name_prefix="group-commit"
        )

    async def submit(self, item: Item) -> Result:
        """Wait until `item` is applied and durable; returns its result from `apply`."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._expected_arrived is not None and not self._expected_arrived.done() and self._is_complete():
            self._expected_arrived.set_result(None)
        self._gather_next()
        return await future

    async def close(self) -> None:
        """Finish what was submitted and end the threads."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._threads.shutdown()

    def _gather_next(self) -> None:
        """Start gathering the next group, if one more transaction may be open."""
        if self._waiting and not self._is_gathering and len(self._tasks) < self._max_concurrent:
            self._is_gathering = True
            self._tasks.add(asyncio.create_task(self._run()))

    async def _run(self) -> None:
        try:
            while True:
                group = await self._gather()
                self._gather_next()
                await self._settle(group)
                if self._is_gathering or not self._waiting:
                    return
                self._is_gathering = True
        finally:
            self._tasks.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _settle(self, group: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._commit([item for item, _ in group])
            settled = list(zip(group, results, strict=True))
        except Exception as error:  # noqa: BLE001 - every error goes to the tasks that wait
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), result in settled:
                if not future.done():
                    future.set_result(result)

    async def _gather(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        try:
            await asyncio.sleep(0)  # tasks that are ready now join
            if not self._is_complete():
                await self._wait_for_expected()
        finally:
            self._is_gathering = False
        group, self._waiting = self._waiting[: self._max_batch], self._waiting[self._max_batch :]
        return group

    def _is_complete(self) -> bool:
        return len(self._waiting) >= min(self._expected(), self._max_batch)

    async def _wait_for_expected(self) -> None:
        loop = asyncio.get_running_loop()
        self._expected_arrived = loop.create_future()
        timer = loop.call_later(MAX_WAIT, _resolve, self._expected_arrived)
        try:
            await self._expected_arrived
        finally:
            timer.cancel()
            self._expected_arrived = None

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
