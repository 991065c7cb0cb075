"""The database's promises, on both engines."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from campaigns.models import CampaignRow
from mailer.database import Database, savepoint
from mailer.database.postgresql_setup import IDLE_IN_TRANSACTION_SECONDS
from mailer.errors import ConfigurationError, InvalidInput, Locked, MailerError, TryAgainLater

INSERT = text("INSERT INTO throttle (name, usage_log) VALUES (:name, '{}')")


def names(database: Database) -> Sequence[str]:
    with database.read() as connection:
        return connection.execute(text("SELECT name FROM throttle ORDER BY name")).scalars().all()


def test_a_migrated_database_is_current(database: Database) -> None:
    assert database.is_current()


def test_a_transaction_is_committed_on_leaving(database: Database) -> None:
    with database.write() as connection:
        connection.execute(INSERT, {"name": "a"})
    assert names(database) == ["a"]


def test_an_error_rolls_everything_back(database: Database) -> None:
    def fail() -> None:
        with database.write() as connection:
            connection.execute(INSERT, {"name": "a"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names(database) == []


def test_a_step_that_raises_is_undone_and_its_transaction_goes_on(database: Database) -> None:
    def add(connection: Connection, *added: str) -> None:
        with savepoint(connection):
            for name in added:
                connection.execute(INSERT, {"name": name})

    with database.write() as connection:
        add(connection, "first")
        with pytest.raises(DBAPIError):
            add(connection, "second", "first")
        add(connection, "third")
    assert names(database) == ["first", "third"]


def test_a_reader_sees_one_state_and_blocks_no_writer(database: Database) -> None:
    with database.read() as reader:
        count = text("SELECT count(*) FROM throttle")
        assert reader.execute(count).scalar_one() == 0
        with database.write() as writer:
            writer.execute(INSERT, {"name": "a"})
        assert reader.execute(count).scalar_one() == 0
    assert names(database) == ["a"]


def test_of_two_writers_the_second_waits(database: Database) -> None:
    """Where the first's lock is; on SQLite that is the file, on PostgreSQL the row."""
    with database.write() as connection:
        connection.execute(INSERT, {"name": "k"})
    began, order = threading.Event(), []

    def first() -> None:
        with database.write() as connection:
            connection.execute(text("UPDATE throttle SET name = name || '1'"))
            began.set()
            time.sleep(0.3)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    began.wait(30)
    with database.write() as connection:
        connection.execute(text("UPDATE throttle SET name = name || '2'"))
        order.append("second")
    thread.join()
    assert order == ["first", "second"]
    assert names(database) == ["k12"]


def test_who_does_not_want_to_wait_is_told_that_somebody_else_writes(sqlite_database: Database) -> None:
    with sqlite_database.write(), pytest.raises(Locked), sqlite_database.write_at_once():
        pytest.fail("two wrote at once")
    for name in ("a", "b"):
        with sqlite_database.write_at_once() as connection:
            connection.execute(INSERT, {"name": name})
        sqlite_database.close()  # as when it is used again later
    assert names(sqlite_database) == ["a", "b"]


def test_who_does_not_want_to_wait_is_told_so_at_the_first_opening_too(sqlite_database: Database) -> None:
    other = sqlite3.connect(str(sqlite_database.url.database), isolation_level=None)
    sqlite_database.close()
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Locked), sqlite_database.write_at_once():
        pytest.fail("two wrote at once")
    other.close()
    with sqlite_database.write_at_once() as connection:
        connection.execute(INSERT, {"name": "a"})
    assert names(sqlite_database) == ["a"]


def test_what_cannot_be_rolled_back_is_given_up_and_leaves_no_lock(sqlite_database: Database) -> None:
    def no_rollback(action: int, operation: str | None, *_: object) -> int:
        refused = action == sqlite3.SQLITE_TRANSACTION and operation == "ROLLBACK"
        return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK

    def fail() -> None:
        with sqlite_database.write_at_once() as connection:
            connection.execute(INSERT, {"name": "a"})
            driver: Any = connection.connection.driver_connection
            driver.set_authorizer(no_rollback)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with sqlite_database.write_at_once() as connection:
        connection.execute(INSERT, {"name": "b"})
    assert names(sqlite_database) == ["b"]


def test_a_commit_that_fails_leaves_the_database_to_others(sqlite_database: Database) -> None:
    def fail() -> None:
        with sqlite_database.write_at_once() as connection:
            connection.execute(text("PRAGMA defer_foreign_keys = ON"))
            connection.execute(text("INSERT INTO campaign_image VALUES (1, '', '', '', '')"))

    with pytest.raises(MailerError):
        fail()
    with sqlite_database.write_at_once() as connection:
        connection.execute(INSERT, {"name": "a"})
    assert names(sqlite_database) == ["a"]


def test_sqlite_syncs_every_commit_and_checks_foreign_keys(sqlite_database: Database) -> None:
    with sqlite_database.engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 60_000}


def test_a_row_without_its_parent_is_refused(database: Database) -> None:
    with pytest.raises(MailerError), database.write() as connection:
        connection.execute(text("INSERT INTO campaign_image VALUES (1, 'a.png', 'image/png', '')"))


async def test_a_web_request_reads_what_a_command_wrote(database: Database) -> None:
    now = datetime.now(UTC)
    with database.write() as connection:
        row = {"slug": "s", "topic": "t", "locale": "nl", "notes": "{}", "state": "draft", "created_at": now}
        connection.execute(CampaignRow.__table__.insert(), row)  # type: ignore[attr-defined]
    async with database.session() as session:
        campaign = (await session.exec(select(CampaignRow))).one()
    await database.aclose()
    assert (campaign.slug, campaign.created_at) == ("s", now)


def test_the_clock_is_aware_and_moves_on(database: Database) -> None:
    clock = database.clock()
    first = clock()
    assert first.tzinfo is UTC
    assert abs(first - datetime.now(UTC)) < timedelta(seconds=30)
    assert clock() > first


def test_a_host_whose_own_clock_is_wrong_goes_by_the_databases(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(minutes=10)

    monkeypatch.setattr("mailer.database.engine.datetime", Wrong)
    assert abs(postgresql_database.clock()() - datetime.now(UTC)) < timedelta(minutes=1)


def test_postgresql_ends_a_transaction_in_which_a_host_has_fallen_silent(
    postgresql_database: Database,
) -> None:
    def fall_silent() -> None:
        with postgresql_database.write() as connection:
            connection.execute(text("SET idle_in_transaction_session_timeout = '50ms'"))
            time.sleep(0.5)
            connection.execute(text("SELECT 1"))

    with pytest.raises(TryAgainLater):
        fall_silent()
    with postgresql_database.read() as connection:
        limit = connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one()
    assert limit == f"{IDLE_IN_TRANSACTION_SECONDS}s"


def test_a_database_without_tables_says_what_to_run(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("DROP TABLE consent"))
    with pytest.raises(ConfigurationError, match="mailer init"), database.read() as connection:
        connection.execute(text("SELECT * FROM consent"))


def test_a_value_that_is_not_utf8_is_refused_and_not_repeated(database: Database) -> None:
    with pytest.raises(InvalidInput, match="not UTF-8") as caught, database.write() as connection:
        connection.execute(INSERT, {"name": "zoe\udcff"})
    assert "zoe" not in str(caught.value)


def test_an_error_repeats_no_value_of_the_statement(database: Database) -> None:
    with pytest.raises(MailerError) as caught, database.write() as connection:
        connection.execute(INSERT, [{"name": "zoe@example.com"}] * 2)
    assert "zoe" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_file_that_is_not_there_is_not_made_by_reading(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'nowhere.db'}")
    with pytest.raises(ConfigurationError, match="mailer init"), database.read():
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"folder/mailer\.db can't be created"):
        Database(f"sqlite:///{tmp_path / 'folder' / 'mailer.db'}").create()


@pytest.mark.parametrize("name", ["a b.db", "50%.db", "a#b.db", "Zoë.db", "a&mode=memory.db"])
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    database = Database("sqlite:///mailer.db", tmp_path / name)
    (tmp_path / name).mkdir()
    database.create()
    assert database.is_current()
    database.close()
    assert (tmp_path / name / "mailer.db").exists()


def test_a_busy_database_is_to_be_tried_again_later(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.database.sqlite_setup.BUSY_SECONDS", 0)
    holder = sqlite3.connect(sqlite_database.url.database or "", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(TryAgainLater), sqlite_database.write():
        pass
    holder.close()


def test_a_postgresql_server_that_is_away_is_to_be_tried_again_later() -> None:
    database = Database("postgresql://nobody:pa55word@127.0.0.1:1/none")
    with pytest.raises(TryAgainLater) as caught, database.read():
        pass
    assert "pa55word" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["postgresql://u:hidden@127.0.0.1:1/d", "postgresql://127.0.0.1:1/d?password=hidden"]
)
def test_an_error_names_the_database_without_its_password(url: str) -> None:
    with pytest.raises(TryAgainLater) as caught, Database(url).read():
        pass
    assert "127.0.0.1:1/d " in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_damaged_file_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "mailer.db"
    path.write_bytes(b"x" * 8192)
    with pytest.raises(MailerError, match="is damaged"), Database(f"sqlite:///{path}").read():
        pass


def test_a_read_only_file_is_named_as_such(sqlite_database: Database) -> None:
    database = Database(f"{sqlite_database.url}?mode=ro")
    with pytest.raises(MailerError, match="read-only"), database.write() as connection:
        connection.execute(INSERT, {"name": "a"})
    database.close()


def test_a_reading_transaction_can_not_write(postgresql_database: Database) -> None:
    with pytest.raises(MailerError), postgresql_database.read() as connection:
        connection.execute(INSERT, {"name": "a"})


@pytest.mark.parametrize(
    "url",
    ["mysql://h/d", "sqlite://", "sqlite:///:memory:", "nonsense", "", "postgresql://u:hidden@h:port/d"],
)
def test_any_other_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Database(url)


def test_closing_closes_the_connection_that_does_not_wait_too(sqlite_database: Database) -> None:
    with sqlite_database.write_at_once() as connection:
        pass
    sqlite_database.close()
    assert connection.closed
