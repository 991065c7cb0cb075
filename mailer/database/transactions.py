"""Writing transactions for an event loop.

On SQLite the event loop itself commits: handing over to a thread would cost more, because the two compete for
the interpreter. A thread is used where there is something to wait for: another process that writes to the
file, or PostgreSQL's answers. `pipeline` needs none on PostgreSQL, for statements that are known beforehand.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from sqlalchemy import Connection

from mailer.database.engine import Database
from mailer.errors import Locked, TransactionConflict, starting_thread

CONFLICT_TRIES = 5
CONFLICT_PAUSE = 0.01  # seconds; twice as long after each try

Result = TypeVar("Result")


class Transactions:
    """Runs writing transactions, one at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="transaction")

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` in a transaction of its own; it is durable when this returns.

        If `work` raises, or the commit fails, nothing of it is in the database. A caller that is cancelled does not
        undo it. Where PostgreSQL ends the transaction because of another one, `work` is done again in a new one.
        Raises NoProcess where no thread can be started.
        """
        if self._database.is_sqlite:
            with suppress(Locked), self._database.write_at_once() as connection:
                return work(connection)
        with starting_thread():
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._wait_and_commit, work)

    def close(self) -> None:
        """Wait for the transactions in progress, and end the thread."""
        self._thread.shutdown()

    def _wait_and_commit(self, work: Callable[[Connection], Result]) -> Result:
        for number in range(1, CONFLICT_TRIES):
            with suppress(TransactionConflict), self._database.write(checked=False) as connection:
                return work(connection)
            # Not at once: we would take the first row again before the other transaction wakes up, and meet it again.
            time.sleep(random.uniform(0.5, 1) * CONFLICT_PAUSE * 2**number)  # noqa: S311 - it hides nothing
        with self._database.write(checked=False) as connection:
            return work(connection)
