"""PostgreSQL's transactions on the event loop: one round trip each, and no thread.

A batch's statements are known before the first is run. So BEGIN, the statements and COMMIT are sent together, by
libpq's pipeline mode, and the loop reads the results when they arrive. A thread that waited for them would compete
with the loop for the interpreter's lock; the driver's own pipeline wakes a task for each step.

The connection is the engine's: its URL, time-outs and session parameters apply, and making it takes a thread. This
module is imported by name where it is needed, for it loads the driver.
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from psycopg import Error
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from sqlalchemy import URL, Connection

from mailer.database.driver_errors import translated_errors
from mailer.database.engine import Database
from mailer.database.postgresql_setup import ISOLATION_LEVEL
from mailer.database.prepared import Numbered, Row, Step, driver_errors
from mailer.database.threads import in_thread

_BEGIN = f"BEGIN ISOLATION LEVEL {ISOLATION_LEVEL}".encode()
_COMMIT = b"COMMIT"


class Pipeline:
    """Runs writing transactions, one at a time, on a connection that is kept for the next one.

    A lost connection is replaced. `on_lost` is called when one is lost between two transactions, which then fails none:
    the next one may find another server.
    """

    def __init__(self, database: Database, on_lost: Callable[[], None] = lambda: None) -> None:
        self._database, self._on_lost = database, on_lost
        self._turn = asyncio.Lock()
        self._connected: list[Connection] = []  # and not used yet: a caller was cancelled
        self._link: _Link | None = None

    async def run(self, steps: Iterable[Step]) -> list[Sequence[Row]]:
        """Run `steps` in one transaction; the rows of each. It is durable when this returns.

        A caller that is cancelled does not undo it, and the next one waits for it. Raises a MailerError where a statement
        fails, or the connection is lost; then the transaction was not made, or nobody knows.
        """
        sent = [(numbered := step.statement.numbered(), numbered.values(step.values)) for step in steps]
        async with self._turn:
            if self._link is not None:
                await self._link.idle.wait()
            if self._link is None or self._link.is_closed:
                if not self._connected:
                    await in_thread(self._connect)
                self._link = _Link(self._database.url, self._connected.pop(), self._on_lost)
            return await self._link.run(sent)

    def close(self) -> None:
        """Wait for the transaction in progress, and close the connection."""
        if self._link is not None:
            self._link.finish()
        for connection in self._connected:
            connection.close()

    def _connect(self) -> None:
        with translated_errors(self._database.url):
            connection = self._database.engine.connect()
            connection.detach()  # kept for long: it takes no place in the pool
            self._connected.append(connection)


class _Link:
    """One connection in pipeline mode. After a fault it is closed, which rolls back what was not committed yet.

    `idle` is set while no transaction is in progress, whether its caller waits for it or was cancelled.
    """

    def __init__(self, url: URL, connection: Connection, on_lost: Callable[[], None]) -> None:
        self._url, self._connection, self._on_lost = url, connection, on_lost
        driver: Any = connection.connection.dbapi_connection  # it is detached
        self._driver = driver
        self._libpq = driver.pgconn
        self._file = self._libpq.socket  # libpq forgets it when it finds the connection lost
        self._reader = Transformer(driver)
        # Behind a pooler another client may have prepared another statement under the same name.
        self._names: dict[bytes, bytes] | None = None if driver.prepare_threshold is None else {}
        self._loop = asyncio.get_running_loop()
        self.idle = asyncio.Event()
        self.idle.set()
        self._answer: asyncio.Future[list[Sequence[Row]]] | None = None
        self._expected: deque[Numbered | None] = deque()  # None: its result has no rows to keep
        self._rows: list[Sequence[Row]] = []
        self._error: Error | None = None
        self._libpq.nonblocking = 1
        self._libpq.enter_pipeline_mode()
        self._loop.add_reader(self._file, self._read)

    @property
    def is_closed(self) -> bool:
        """Whether it is of no use any more."""
        return self._connection.closed

    def run(
        self, statements: Iterable[tuple[Numbered, Sequence[bytes | None]]]
    ) -> asyncio.Future[list[Sequence[Row]]]:
        """Send a transaction; its result."""
        self.idle.clear()
        answer = self._answer = self._loop.create_future()
        self._expected.clear()
        self._rows, self._error = [], None
        try:
            self._send(_BEGIN, ())
            for numbered, values in statements:
                self._send(numbered.octets, values, numbered)
            self._send(_COMMIT, ())
            self._libpq.pipeline_sync()
            self._write()
        except Exception as error:  # noqa: BLE001 - it goes to the caller
            self._break(error)
        return answer

    def _send(self, sql: bytes, values: Sequence[bytes | None], numbered: Numbered | None = None) -> None:
        if self._names is None:
            self._libpq.send_query_params(sql, values)
        else:
            if (name := self._names.get(sql)) is None:
                name = self._names[sql] = b"mailer_%d" % len(self._names)
                self._libpq.send_prepare(name, sql)
                self._expected.append(None)
            self._libpq.send_query_prepared(name, values)
        self._expected.append(numbered)

    def _write(self) -> None:
        """Send what libpq holds; where the socket takes no more, the rest goes once it does."""
        if self._libpq.flush():
            self._loop.add_writer(self._file, self._write_rest)

    def _write_rest(self) -> None:
        try:
            self._loop.remove_writer(self._file)
            self._write()
        except Exception as error:  # noqa: BLE001 - it goes to the caller
            self._break(error)

    def _read(self) -> None:
        """Take the results that have arrived."""
        try:
            self._libpq.consume_input()
            while self._answer is not None and not self._libpq.is_busy():
                result = self._libpq.get_result()
                if result is not None:  # None ends the results of one statement
                    self._take(result)
        except Exception as error:  # noqa: BLE001 - it goes to the caller, who would wait for ever
            self._break(error)

    def _take(self, result: Any) -> None:
        status = result.status
        if status == ExecStatus.PIPELINE_SYNC:
            self._end()
            return
        if not self._expected:  # the server ends the connection, and says why
            raise self._error or error_from_result(result)
        numbered = self._expected.popleft()
        if status in {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK}:
            if numbered is not None:
                self._reader.set_pgresult(result)
                self._rows.append(numbered.read(self._reader.load_rows(0, result.ntuples, tuple)))
        elif self._error is None and status != ExecStatus.PIPELINE_ABORTED:
            self._error = error_from_result(result)

    def _end(self) -> None:
        if self._error is not None:
            self._break(self._error)
            return
        answer, self._answer = self._answer, None
        self.idle.set()
        if answer is not None and not answer.done():
            answer.set_result(self._rows)

    def _break(self, error: Exception) -> None:
        """Close the connection, and tell the transaction's caller why."""
        if self.is_closed:  # the other of reading and writing has found it lost at the same moment
            return
        answer, self._answer = self._answer, None
        self._close()
        if answer is None:
            self._on_lost()
        elif not answer.done():
            answer.set_exception(self._translated(error))

    def _translated(self, error: Exception) -> Exception:
        def fail() -> None:
            raise error

        try:
            with translated_errors(self._url), driver_errors(self._connection):
                fail()
        except Exception as translated:  # noqa: BLE001 - it goes to the caller
            return translated
        raise AssertionError("unreachable")

    def finish(self) -> None:
        """Wait for the transaction in progress, and close."""
        arrived = select.poll()  # select.select takes no number from 1024 on
        arrived.register(self._file, select.POLLIN)
        while self._answer is not None:
            self._write_rest()
            if self._answer is not None:
                arrived.poll(1000)
                self._read()
        if not self.is_closed:
            self._close()

    def _close(self) -> None:
        self.idle.set()
        for remove in (self._loop.remove_reader, self._loop.remove_writer):
            with suppress(OSError):  # libpq has closed it already, so the system does not know it any more
                remove(self._file)
        self._driver.close()
        self._connection.invalidate()
        self._connection.close()
