"""Group commit: the work of many waiting tasks in one durable transaction.

An fsync costs the same for one row and for fifty. The items that arrive while a transaction commits form the
next group. So groups grow with the load, and a single item does not wait for others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy import Connection

from mailer.database.engine import Database
from mailer.database.transactions import Transactions

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_BATCH = 100  # items; a withdrawal's transaction holds up sending on PostgreSQL


class GroupCommit(Generic[Item, Result]):
    """Applies submitted items in groups, each group in one transaction, in order of arrival.

    `apply` gets the open transaction and the items, and returns one result for each item. If it raises, or
    the commit fails, every task of that group gets the error and nothing of the group is in the database.
    """

    def __init__(
        self,
        database: Database,
        apply: Callable[[Connection, Sequence[Item]], Sequence[Result]],
        *,
        max_batch: int = MAX_BATCH,
    ) -> None:
        self._transactions = Transactions(database)
        self._apply = apply
        self._max_batch = max_batch
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """Wait until `item` is applied and durable; returns its result from `apply`."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def close(self) -> None:
        """Finish what was submitted and end the threads."""
        if self._running is not None:
            await asyncio.wait([self._running])
        self._transactions.close()

    async def _run(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(0)  # tasks that are ready now join
                group = self._waiting[: self._max_batch]
                self._waiting = self._waiting[self._max_batch :]
                await self._settle(group)
        finally:
            self._running = None

    async def _settle(self, group: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        items = [item for item, _ in group]
        try:
            results = await self._transactions.run(lambda connection: self._apply(connection, items))
            settled = list(zip(group, results, strict=True))
        except Exception as error:  # noqa: BLE001 - every error goes to the tasks that wait
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), result in settled:
                if not future.done():
                    future.set_result(result)
