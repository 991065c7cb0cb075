"""Group commit: many waiting tasks share few transactions, and a task continues only when its work is durable."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from sqlalchemy import Connection, text

from mailer.database import Database, GroupCommit, Transactions
from mailer.errors import MailerError

INSERT = text("INSERT INTO throttle (name, usage_log) VALUES (:name, '{}')")
NAMES = text("SELECT name FROM throttle ORDER BY name")


class Recorder:
    """Writes each item as a row, and remembers the groups."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []

    def __call__(self, connection: Connection, items: Sequence[str]) -> Sequence[str]:
        self.groups.append(list(items))
        for item in items:
            connection.execute(INSERT, {"name": item})
        return [f"{item}!" for item in items]


def stored(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(NAMES).scalars())


async def test_each_task_gets_its_own_result(database: Database) -> None:
    commits = GroupCommit(database, Recorder())
    names = [f"{number:03}" for number in range(200)]
    assert await asyncio.gather(*map(commits.submit, names)) == [f"{name}!" for name in names]
    await commits.close()
    assert stored(database) == names


async def test_who_arrives_during_a_commit_shares_the_next_one(database: Database) -> None:
    recorder = Recorder()
    commits = GroupCommit(database, recorder)
    await asyncio.gather(*(commits.submit(f"{number:03}") for number in range(200)))
    await commits.close()
    assert len(recorder.groups) < 5
    assert [name for group in recorder.groups for name in group] == stored(database)


async def test_no_group_is_larger_than_asked_for(database: Database) -> None:
    recorder = Recorder()
    commits = GroupCommit(database, recorder, max_batch=7)
    await asyncio.gather(*(commits.submit(f"{number:03}") for number in range(50)))
    await commits.close()
    assert max(map(len, recorder.groups)) == 7


async def test_a_single_item_does_not_wait_for_others(database: Database) -> None:
    commits = GroupCommit(database, Recorder())
    for number in range(3):
        assert await asyncio.wait_for(commits.submit(str(number)), 30) == f"{number}!"
    await commits.close()


async def test_when_a_task_goes_on_its_item_is_committed(database: Database) -> None:
    commits = GroupCommit(database, Recorder())

    async def one(name: str) -> bool:
        await commits.submit(name)
        return name in await asyncio.to_thread(stored, database)

    assert all(await asyncio.gather(*(one(f"{number:03}") for number in range(20))))
    await commits.close()


async def test_if_a_group_fails_each_of_its_tasks_is_told_and_nothing_of_it_stays(database: Database) -> None:
    commits = GroupCommit(database, Recorder())
    assert await commits.submit("first") == "first!"
    twins = await asyncio.gather(
        commits.submit("other"), commits.submit("twin"), commits.submit("twin"), return_exceptions=True
    )
    assert all(isinstance(error, MailerError) for error in twins)
    assert stored(database) == ["first"]
    assert await commits.submit("later") == "later!"
    await commits.close()


async def test_a_wrong_number_of_results_hangs_nobody(database: Database) -> None:
    commits: GroupCommit[str, str] = GroupCommit(database, lambda _connection, _items: [])
    with pytest.raises(ValueError, match="zip"):
        await asyncio.wait_for(commits.submit("x"), 30)
    await commits.close()


async def test_a_task_that_gives_up_harms_no_other(database: Database) -> None:
    commits = GroupCommit(database, Recorder())
    tasks = [asyncio.create_task(commits.submit(f"{number:03}")) for number in range(10)]
    await asyncio.sleep(0)
    tasks[5].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    await commits.close()
    assert [result for number, result in enumerate(results) if number != 5] == [
        f"{number:03}!" for number in range(10) if number != 5
    ]


async def test_closing_finishes_what_was_submitted(database: Database) -> None:
    commits = GroupCommit(database, Recorder())
    tasks = [asyncio.create_task(commits.submit(f"{number:03}")) for number in range(30)]
    await asyncio.sleep(0)
    await commits.close()
    assert len(stored(database)) == 30
    await asyncio.gather(*tasks)


async def test_while_somebody_else_writes_to_the_file_the_event_loop_stays_free(
    sqlite_database: Database,
) -> None:
    commits = GroupCommit(sqlite_database, Recorder())
    with sqlite_database.write():
        waiting = asyncio.create_task(commits.submit("x"))
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not waiting.done()
    assert await asyncio.wait_for(waiting, 30) == "x!"
    await commits.close()


async def test_closing_waits_for_a_transaction_that_nobody_waits_for_any_more(
    postgresql_database: Database,
) -> None:
    begun = threading.Event()
    transactions = Transactions(postgresql_database)

    def work(connection: Connection) -> None:
        begun.set()
        connection.execute(INSERT, {"name": "x"})

    waiting = asyncio.create_task(transactions.run(work))
    await asyncio.to_thread(begun.wait, 30)
    waiting.cancel()
    transactions.close()
    assert stored(postgresql_database) == ["x"]


async def test_a_group_that_a_deadlock_ended_is_done_again(postgresql_database: Database) -> None:
    """The group has `a` and asks for `b`, after another transaction that has `b` asked for `a`."""
    database = postgresql_database
    touch = text("UPDATE throttle SET usage_log = usage_log || :by WHERE name = :name")
    with database.write() as connection:
        connection.execute(INSERT, [{"name": "a"}, {"name": "b"}])
    has_b, has_a, tries = threading.Event(), threading.Event(), []

    def other() -> None:
        with database.write() as connection:
            # So that the group is the one that ends.
            connection.execute(text("SET LOCAL deadlock_timeout = '10min'"))
            connection.execute(touch, {"name": "b", "by": "other "})
            has_b.set()
            has_a.wait(60)
            connection.execute(touch, {"name": "a", "by": "other "})

    def apply(connection: Connection, items: Sequence[str]) -> Sequence[str]:
        tries.append(items)
        connection.execute(touch, {"name": "a", "by": "group "})
        if not has_a.is_set():
            has_a.set()
            await_a_waiting_statement(database)
        connection.execute(touch, {"name": "b", "by": "group "})
        return items

    thread = threading.Thread(target=other)
    thread.start()
    await asyncio.to_thread(has_b.wait, 60)
    commits = GroupCommit(database, apply)
    assert await commits.submit("x") == "x"
    await commits.close()
    thread.join()
    assert len(tries) >= 2  # on a slow machine the two meet again
    with database.read() as connection:
        rows = connection.execute(text("SELECT usage_log FROM throttle ORDER BY name")).scalars()
        assert list(rows) == ["{}other group "] * 2


def await_a_waiting_statement(database: Database) -> None:
    """Wait until a transaction waits for a row."""
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    with database.read() as connection:
        while not connection.execute(waiting).scalar_one():
            connection.rollback()
            threading.Event().wait(0.02)
