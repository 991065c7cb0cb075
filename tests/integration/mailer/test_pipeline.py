"""PostgreSQL's transactions on the event loop."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    Integer,
    String,
    TypeDecorator,
    bindparam,
    cast,
    func,
    select,
    type_coerce,
)

from mailer.database import Database, Prepared, Step, any_of
from mailer.database.pipeline import Pipeline
from mailer.errors import MailerError, TransactionConflict, TryAgainLater
from tests.support.proxy import CHUNK, DatabaseProxy

NOTED = Prepared(select(func.note(bindparam("text", type_=String))))
NUMBER = Prepared(select(cast(bindparam("text", type_=String), Integer)))
PROCESS = Prepared(select(func.pg_backend_pid()))
SLEEP = Prepared(select(func.pg_sleep(bindparam("seconds", type_=Integer))))
VALUES = Prepared(
    select(
        bindparam("text", type_=String),
        bindparam("number", type_=BigInteger),
        bindparam("at", type_=DateTime(timezone=True)),
        bindparam("ids", type_=any_of.ListOf(BigInteger())),
        bindparam("texts", type_=any_of.ListOf(String())),
        bindparam("moments", type_=any_of.ListOf(DateTime(timezone=True))),
    )
)


class Unreadable(TypeDecorator[str]):
    """A type whose values can be written and not read."""

    impl = String
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> str:
        raise ValueError("unreadable")


UNREADABLE = Prepared(select(type_coerce(bindparam("text", type_=String), Unreadable)))


class WithoutEnds(DatabaseProxy):
    """A proxy that can keep back the end of each pipeline, the message Sync."""

    keeps_ends = False

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            writer.write(data.removesuffix(b"S\0\0\0\4") if self.keeps_ends else data)
            await writer.drain()


@pytest.fixture
def database(postgresql_database: Database) -> Database:
    with postgresql_database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE noted (text text)")
        connection.exec_driver_sql(
            "CREATE FUNCTION note(text) RETURNS text AS 'INSERT INTO noted VALUES ($1) RETURNING text' LANGUAGE sql"
        )
    return postgresql_database


def noted(database: Database) -> Sequence[str]:
    with database.read() as connection:
        return connection.exec_driver_sql("SELECT text FROM noted ORDER BY text").scalars().all()


def note(text: str) -> Step:
    return Step(NOTED, {"text": text})


async def test_the_steps_are_one_transaction_and_each_has_its_rows(database: Database) -> None:
    pipeline = Pipeline(database)
    try:
        assert await pipeline.run([note("a"), note("b")]) == [[("a",)], [("b",)]]
        assert noted(database) == ["a", "b"]
        assert await pipeline.run([Step(NUMBER, {"text": "7"}), note("c")]) == [[(7,)], [("c",)]]
    finally:
        pipeline.close()
    assert noted(database) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "values",
    [
        {"text": None, "number": None, "at": None, "ids": None, "texts": None, "moments": None},
        {"text": "", "number": 0, "at": datetime(2026, 11, 22, 12, 0, 0, 5, UTC), "ids": [], "texts": [], "moments": []},
        {"text": '{"é": "\\", \' %s $1"}\n', "number": -(2**63), "at": datetime.max.replace(tzinfo=UTC), "ids": [1, None, 2**62],
         "texts": ["", None, "NULL", '{"é": "\\", \' %s $1"}\n', " a,b "], "moments": [None, datetime.max.replace(tzinfo=UTC)]},
        {"text": "x" * 3_000_000, "number": 1, "at": datetime.min.replace(tzinfo=UTC), "ids": list(range(1, 9000)),
         "texts": ["\\"] * 9000, "moments": [datetime(1, 1, 1, tzinfo=UTC)]},
    ],
    ids=["nothing", "empty", "special", "more than a socket takes at once"],
)  # fmt: skip
async def test_values_arrive_as_they_were_given(database: Database, values: dict[str, Any]) -> None:
    pipeline = Pipeline(database)
    [[row]] = await pipeline.run([Step(VALUES, values)])
    pipeline.close()
    assert row == tuple(values.values())


async def test_a_statement_that_fails_undoes_the_others(database: Database) -> None:
    pipeline = Pipeline(database)
    with pytest.raises(MailerError, match="refused a statement: InvalidTextRepresentation"):
        await pipeline.run([note("a"), Step(NUMBER, {"text": "seven"}), note("b")])
    await pipeline.run([note("c")])
    pipeline.close()
    assert noted(database) == ["c"]


async def test_a_row_that_cannot_be_read_fails_its_transaction_alone(database: Database) -> None:
    pipeline = Pipeline(database)
    async with asyncio.timeout(60):
        with pytest.raises(ValueError, match="unreadable"):
            await pipeline.run([Step(UNREADABLE, {"text": "a"})])
        await pipeline.run([note("b")])
    pipeline.close()
    assert noted(database) == ["b"]


async def test_a_deadlock_is_a_conflict(database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql(
            "CREATE OR REPLACE FUNCTION note(text) RETURNS text LANGUAGE plpgsql AS"
            " $$BEGIN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END$$"
        )
    pipeline = Pipeline(database)
    with pytest.raises(TransactionConflict):
        await pipeline.run([note("a")])
    pipeline.close()


async def test_of_a_lost_connection_nobody_knows_and_the_next_transaction_has_another(
    database: Database,
) -> None:
    pipeline = Pipeline(database)
    await pipeline.run([note("a")])
    running = asyncio.ensure_future(pipeline.run([note("b"), Step(SLEEP, {"seconds": 600})]))
    await until_sleeping(database)
    kill(database)
    with pytest.raises(TryAgainLater, match="away or busy"):
        await running
    await pipeline.run([note("c")])
    pipeline.close()
    assert noted(database) == ["a", "c"]


async def test_a_connection_that_is_lost_before_all_is_sent_fails_its_transaction(database: Database) -> None:
    big = {"text": "x" * 30_000_000, "number": 1, "at": None, "ids": [], "texts": [], "moments": []}
    with DatabaseProxy(database.url, "127.0.0.1") as proxy:
        pipeline = Pipeline(Database(proxy.url.render_as_string(hide_password=False)))
        await pipeline.run([note("a")])
        proxy.block()
        running = asyncio.ensure_future(pipeline.run([note("b"), Step(VALUES, big)]))
        await asyncio.sleep(0.5)  # until the sockets are full
        proxy.cut()
        async with asyncio.timeout(60):
            with pytest.raises(TryAgainLater, match="away or busy"):
                await running
            proxy.heal()
            await pipeline.run([note("c")])
        pipeline.close()
    assert noted(database) == ["a", "c"]


async def test_of_a_connection_that_is_ended_right_after_its_commit_nobody_knows(database: Database) -> None:
    with WithoutEnds(database.url, "127.0.0.1") as proxy:
        pipeline = Pipeline(Database(proxy.url.render_as_string(hide_password=False)))
        await pipeline.run([note("a")])
        proxy.keeps_ends = True
        running = asyncio.ensure_future(pipeline.run([note("b")]))
        async with asyncio.timeout(60):
            while noted(database) != ["a", "b"]:  # noqa: ASYNC110 - nothing says so
                await asyncio.sleep(0.01)
            kill(database)
            with pytest.raises(TryAgainLater, match="away or busy"):
                await running
        pipeline.close()


async def test_a_connection_that_is_lost_between_two_transactions_fails_none(database: Database) -> None:
    pipeline = Pipeline(database)
    await pipeline.run([note("a")])
    kill(database)
    assert pipeline._link is not None
    async with asyncio.timeout(60):
        while not pipeline._link.is_closed:  # noqa: ASYNC110 - nothing says so
            await asyncio.sleep(0.01)
    await pipeline.run([note("b")])
    pipeline.close()
    assert noted(database) == ["a", "b"]


async def test_a_caller_that_is_cancelled_undoes_nothing_and_closing_waits(database: Database) -> None:
    pipeline = Pipeline(database)
    running = asyncio.ensure_future(pipeline.run([note("a"), Step(SLEEP, {"seconds": 1})]))
    await until_sleeping(database)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert noted(database) == []
    pipeline.close()
    assert noted(database) == ["a"]


async def test_a_caller_that_is_cancelled_while_it_connects_leaves_the_connection_to_the_next(
    database: Database,
) -> None:
    pipeline = Pipeline(database)
    running = asyncio.ensure_future(pipeline.run([note("a")]))
    await asyncio.sleep(0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert len(pipeline._connected) == 1
    await pipeline.run([note("b")])
    assert not pipeline._connected
    pipeline.close()
    assert noted(database) == ["b"]


async def test_a_connection_that_is_lost_while_closing_waits_is_no_error(database: Database) -> None:
    pipeline = Pipeline(database)
    running = asyncio.ensure_future(pipeline.run([note("a"), Step(SLEEP, {"seconds": 600})]))
    await until_sleeping(database)
    kill(database)
    pipeline.close()
    with pytest.raises(TryAgainLater):
        await running
    assert noted(database) == []


async def test_closing_waits_whatever_the_number_of_the_connection(database: Database) -> None:
    database.close()  # its connections have low numbers
    with many_open_files():
        pipeline = Pipeline(database)
        running = asyncio.ensure_future(pipeline.run([Step(SLEEP, {"seconds": 600})]))
        await until_sleeping(database)
        kill(database)
        pipeline.close()
        database.close()
    with pytest.raises(TryAgainLater):
        await running


async def test_callers_take_turns_on_one_connection(database: Database) -> None:
    pipeline = Pipeline(database)
    rows = await asyncio.gather(*(pipeline.run([Step(PROCESS, {})]) for _ in range(3)))
    assert len({process for [[(process,)]] in rows}) == 1
    pipeline.close()


async def test_a_transaction_waits_for_that_of_a_caller_who_was_cancelled(database: Database) -> None:
    pipeline = Pipeline(database)
    running = asyncio.ensure_future(pipeline.run([note("a"), Step(SLEEP, {"seconds": 1})]))
    await until_sleeping(database)
    running.cancel()
    await pipeline.run([note("b")])
    assert noted(database) == ["a", "b"]
    pipeline.close()


async def test_a_transaction_after_that_of_a_cancelled_caller_survives_its_lost_connection(
    database: Database,
) -> None:
    pipeline = Pipeline(database)
    running = asyncio.ensure_future(pipeline.run([note("a"), Step(SLEEP, {"seconds": 600})]))
    await until_sleeping(database)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    kill(database)
    await pipeline.run([note("b")])
    assert noted(database) == ["b"]
    pipeline.close()


async def test_a_wrong_password_is_named_as_elsewhere(database: Database) -> None:
    other = Database(database.url.set(database="none_of_that_name").render_as_string(hide_password=False))
    with pytest.raises(MailerError, match="none_of_that_name"):
        await Pipeline(other).run([note("a")])


@contextmanager
def many_open_files() -> Iterator[None]:
    """Hold so many open that the next one's number is above 1100."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as opened:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        while opened.enter_context(Path(os.devnull).open()).fileno() < 1100:
            pass
        yield


async def until_sleeping(database: Database) -> None:
    asleep = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    )
    async with asyncio.timeout(60):
        while True:
            with database.read() as connection:
                if connection.exec_driver_sql(asleep).scalar_one():
                    return
            await asyncio.sleep(0.01)


def kill(database: Database) -> None:
    """Cut off all connections but the one that does it."""
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with database.read() as connection:
        connection.exec_driver_sql(others)
