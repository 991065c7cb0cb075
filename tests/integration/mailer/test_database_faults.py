"""A database that is locked, full or read-only while mails go out: clear errors, nobody lost, and it goes on."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from campaigns.sending import Dispatch, Tally
from campaigns.states import CampaignState
from mailer.database import Database
from mailer.errors import MailerError, TryAgainLater
from subscribers.kinds import Channel
from subscribers.self_service import unsubscribe
from subscribers.self_service.unsubscribe import Withdrawal
from tests.support.campaign import counts, dispatch_for, draft, send, settings_for, subscribe, unwatched
from tests.support.links import target_of
from tests.support.relay import FaultyRelay
from tests.support.small_disk import fill, small_disk

PEOPLE = 300
SLOW = 0.02  # seconds a mail, so that the fault meets the send half-way


async def sending(dispatch: Dispatch, relay: FaultyRelay) -> asyncio.Task[Tally]:
    """A send that is half-way."""
    relay.slowness = SLOW
    running = asyncio.create_task(send(dispatch))
    await relay.taken(20)
    return running


async def hold_still(relay: FaultyRelay) -> None:
    """Wait until the mails in flight have outcomes, and check that nothing more is offered."""
    await asyncio.sleep(1)
    held = len(relay.accepted)
    await asyncio.sleep(0.5)
    assert len(relay.accepted) == held < PEOPLE, "content was offered though nothing could be written down"


def everybody_has_one_mail(database: Database, relay: FaultyRelay) -> None:
    status = counts(database)
    assert (status.state, status.accepted, status.uncertain) == (CampaignState.FINISHED, PEOPLE, 0)
    assert Counter(Counter(mail.recipient for mail in relay.accepted).values()) == {1: PEOPLE}


async def test_a_send_waits_for_a_lock_that_lasts_longer_than_sqlite_waits_and_goes_on(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.database.sqlite_setup.BUSY_SECONDS", 0.2)
    subscribe(sqlite_database, PEOPLE)
    draft(sqlite_database)
    async with FaultyRelay(pipelining=True) as relay:
        running = await sending(dispatch_for(sqlite_database, settings_for(relay.port)), relay)
        other = sqlite3.connect(str(sqlite_database.url.database), isolation_level=None, timeout=30)
        other.execute("BEGIN EXCLUSIVE")
        await hold_still(relay)
        other.execute("ROLLBACK")
        other.close()
        assert (await running).error is None
    everybody_has_one_mail(sqlite_database, relay)


async def test_a_send_waits_for_room_on_a_disk_that_is_full_and_goes_on(
    sqlite_template: Path, tmp_path: Path
) -> None:
    with small_disk(tmp_path) as disk:
        database = Database(f"sqlite:///{shutil.copyfile(sqlite_template, disk / 'mailer.db')}")
        subscribe(database, PEOPLE)
        draft(database)
        async with FaultyRelay(pipelining=True) as relay:
            running = await sending(dispatch_for(database, settings_for(relay.port)), relay)
            filler = fill(disk)
            await hold_still(relay)
            filler.unlink()
            assert (await running).error is None
        everybody_has_one_mail(database, relay)
        database.close()


async def test_a_full_sqlite_file_ends_with_a_clear_error_and_loses_nobody(
    sqlite_database: Database,
) -> None:
    """As above where nothing can be mounted: SQLite's own limit stands in for the disk's."""
    subscribe(sqlite_database, PEOPLE)
    with sqlite_database.engine.connect() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))

    def write_on_and_on() -> None:
        for number in range(500):
            draft(sqlite_database, f"notes-{number}")

    with pytest.raises(MailerError, match="full") as refusal:
        write_on_and_on()
    assert "What was committed is safe" in str(refusal.value)
    with sqlite_database.engine.connect() as connection:
        connection.execute(text("PRAGMA max_page_count = 1000000"))
    draft(sqlite_database)
    assert counts(sqlite_database).audience == PEOPLE


def test_a_read_only_sqlite_file_is_a_clear_error_and_changes_nothing(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 2)
    draft(sqlite_database)
    read_only = Database(f"{sqlite_database.url.render_as_string()}?mode=ro")
    with pytest.raises(MailerError, match=r"read-only.*\nNothing was changed"):
        dispatch_for(read_only, settings_for(25)).start("notes")
    read_only.close()
    assert counts(sqlite_database).state is CampaignState.DRAFT


async def test_a_send_outlasts_a_postgresql_that_is_read_only_for_a_while(
    postgresql_database: Database,
) -> None:
    """As after a failover: connections are cut, and the server that answers takes no writes yet."""
    database = postgresql_database
    subscribe(database, PEOPLE)
    draft(database)
    async with FaultyRelay(pipelining=True) as relay:
        running = await sending(dispatch_for(database, settings_for(relay.port)), relay)
        await asyncio.to_thread(take_writes, database, "off")
        await hold_still(relay)
        await asyncio.to_thread(take_writes, database, "on")
        assert (await running).error is None
    everybody_has_one_mail(database, relay)


def take_writes(database: Database, switch: str) -> None:
    """Make the server refuse or take writes, for connections that begin now; cut all others."""
    name = make_url(database.url).database
    read_only = {"on": "off", "off": "on"}[switch]
    engine = create_engine(
        database.url.set(drivername="postgresql+psycopg", database="postgres"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = {read_only}"))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": name},
        )
    engine.dispose()


async def test_where_the_database_stays_away_the_run_ends_with_its_error_and_loses_nobody(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.database.sqlite_setup.BUSY_SECONDS", 0.1)
    subscribe(sqlite_database, PEOPLE)
    draft(sqlite_database)
    async with FaultyRelay(pipelining=True) as relay:
        settings = settings_for(relay.port, lease_seconds=1)
        dispatch = dispatch_for(sqlite_database, settings)
        running = await sending(dispatch, relay)
        other = sqlite3.connect(str(sqlite_database.url.database), isolation_level=None, timeout=30)
        other.execute("BEGIN EXCLUSIVE")
        tally = await running
        other.execute("ROLLBACK")
        other.close()
        assert isinstance(tally.error, TryAgainLater)
        relay.slowness = 0
        await asyncio.sleep(1)
        while dispatch.due():
            await dispatch.runs.run("notes", unwatched)
    status = counts(sqlite_database)
    mailed = Counter(mail.recipient for mail in relay.accepted)
    assert status.accepted + status.uncertain == PEOPLE
    assert status.uncertain <= settings.smtp.connections
    assert set(mailed.values()) == {1}
    assert len(mailed) >= status.accepted


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_no_withdrawal_is_said_to_be_recorded_where_nothing_can_be(
    request: pytest.FixtureRequest, engine: str
) -> None:
    database: Database = request.getfixturevalue(f"{engine}_database")
    subscribe(database, 1)
    asked = [Withdrawal(target_of(database, 1), Channel.ONE_CLICK)]
    forbid = "PRAGMA query_only = ON" if database.is_sqlite else "SET TRANSACTION READ ONLY"

    def leave() -> None:
        with database.write() as connection:
            connection.execute(text(forbid))
            unsubscribe.apply_requests(connection, asked, database.clock()())

    with pytest.raises(MailerError, match="read-only"):
        leave()  # a line of the log that says so fails the test (tests/conftest.py)
    database.close()


def test_a_file_that_is_there_and_can_not_be_opened_is_not_to_be_made_again(tmp_path: Path) -> None:
    (tmp_path / "mailer.db").mkdir()  # it stands for a file that this user may not read
    database = Database("sqlite:///mailer.db", tmp_path)
    with pytest.raises(MailerError, match="can't be opened") as refusal, database.read():
        pass
    assert refusal.value.hint is not None
    assert "mailer init" not in refusal.value.hint
    assert str(tmp_path) in refusal.value.hint
