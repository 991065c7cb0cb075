"""Group commit: the work of many waiting tasks in one durable transaction.

An fsync costs the same for one row as for fifty. While one transaction commits, whatever arrives waits
together and forms the next, so groups grow with the load by themselves and a lone item never waits for
company. One thread owns the connection; the event loop stays free during the fsync.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from sqlalchemy import Connection

from mailer.database import Database

Item = TypeVar("Item")
Result = TypeVar("Result")


class GroupCommit(Generic[Item, Result]):
    """Applies submitted items in groups, each group in one transaction, in order of arrival.

    `apply` gets the open transaction and the items, and returns one result an item. If it raises, or the commit
    fails, every task of that group gets the error and nothing of the group is in the database.
    """

    def __init__(
        self,
        database: Database,
        apply: Callable[[Connection, Sequence[Item]], Sequence[Result]],
        *,
        largest: int = 500,
    ) -> None:
        self._database = database
        self._apply = apply
        self._largest = largest
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._runner: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="group-commit")

    async def submit(self, item: Item) -> Result:
        """Wait until `item` is applied and durable; returns what `apply` made of it."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return await future

    async def close(self) -> None:
        """Finish what was submitted and let the thread go."""
        if self._runner is not None:
            await self._runner
        self._thread.shutdown()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                group, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
                try:
                    results = await loop.run_in_executor(
                        self._thread, self._commit, [item for item, _ in group]
                    )
                    settled = list(zip(group, results, strict=True))
                except Exception as error:  # noqa: BLE001 - whatever it is, it goes to those who wait for it
                    for _, future in group:
                        if not future.done():
                            future.set_exception(error)
                else:
                    for (_, future), result in settled:
                        if not future.done():
                            future.set_result(result)
        finally:
            self._runner = None

    def _commit(self, items: Sequence[Item]) -> Sequence[Result]:
        with self._database.write() as connection:
            return self._apply(connection, items)
