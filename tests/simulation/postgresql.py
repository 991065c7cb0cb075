"""PostgreSQL's way to commit a batch, played on the simulated database: in a round trip of its own.

What the server does with a transaction is one step, as the locks make it for what one worker holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Connection

from campaigns.deliveries import gate, settlement
from mailer.database import Database, Row, Step
from subscribers import ledger


class SimulatedPipeline:
    """In place of `Pipeline`."""

    def __init__(self, database: Database, _on_lost: Callable[[], None]) -> None:
        self._database = database

    async def run(self, steps: Iterable[Step]) -> list[Sequence[Row]]:
        return await asyncio.get_running_loop().run_in_executor(None, self._transact, list(steps))

    def close(self) -> None:
        """There is nothing to close."""

    def _transact(self, steps: Sequence[Step]) -> list[Sequence[Row]]:
        with self._database.write(checked=False) as connection:
            return [_rows(connection, step) for step in steps]


def _rows(connection: Connection, step: Step) -> Sequence[Row]:
    if step is ledger.HOLD_CONSENTS:
        return ()
    if step.statement is gate._SETTLE_AND_GATE:
        _settle(connection, step)
        values = {name: step.values[name] for name in ("ids", "worker", "topic", "now")}
        return gate._pass_on_sqlite(connection, values, reads_wordings=False)
    return step.rows(connection)


def _settle(connection: Connection, step: Step) -> None:
    """One by one: SQLite has no such statement for all of them."""
    shared = {name: step.values[name] for name in ("worker", "now")}
    columns = [step.values[name] for name in settlement._PARAMETERS]
    if rows := list(zip(*columns, strict=True)):
        settlement._SETTLE_EACH.run_each(connection, rows, shared)
