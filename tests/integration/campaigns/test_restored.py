"""A backup is put back: nobody gets two mails, and nobody who left gets one, whenever it was taken."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from campaigns import holds
from campaigns.lifecycle import Act
from campaigns.states import CampaignState
from cli import mailer as command
from mailer import backup
from mailer.backup import HEAD_NAME
from mailer.database import Database
from mailer.errors import MailerError, Refused
from subscribers import audience, ledger, rights
from subscribers.address import AddressHasher, normalise
from subscribers.intake import Applicant, Evidence, admit
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import JOURNAL_NAME, HeadFile, Journal, read_journal
from subscribers.people import Names
from tests.support.archive import Archive
from tests.support.campaign import (
    NOTES,
    SECRET,
    counts,
    dispatch_for,
    draft,
    send,
    settings_for,
    subscribe,
    unwatched,
    write_config,
)
from tests.support.relay import FaultyRelay

PEOPLE = 100
MOMENTS = 20
HASHER = AddressHasher([SECRET.encode()])


@pytest.fixture
def archive(database: Database, tmp_path: Path) -> Archive:
    folder = tmp_path / "backups"
    folder.mkdir()
    return Archive(database, folder)


@pytest.fixture
def journal(database: Database, tmp_path: Path) -> Iterator[Journal]:
    kept = Journal(tmp_path / JOURNAL_NAME)
    database.after_commit = kept.record
    yield kept
    kept.close()


def leave(database: Database, number: int) -> str:
    """Withdraw, by the command's own use case; returns the address."""
    address = normalise(f"person{number}@example.com")
    with database.write() as connection:
        rights.withdraw(
            connection, address, NOTES.topic, hasher=HASHER, source="test", now=database.clock()()
        )
    return address.spelling


def consent_anew(database: Database, number: int) -> None:
    """Agree, by the use case that all interfaces share."""
    address, now = normalise(f"person{number}@example.com"), database.clock()()
    applicant = Applicant(0, Names(), address, HASHER.newest(address.key), now)
    with database.write() as connection:
        admit(connection, [applicant], Evidence(NOTES.topic, "test", "Yes."), HASHER, now)


def erase(database: Database, number: int) -> str:
    """Erase, by the command's own use case; returns the address."""
    address = normalise(f"person{number}@example.com")
    with database.write() as connection:
        rights.erase(connection, address, hasher=HASHER, source="test", now=database.clock()())
    return address.spelling


def replay(database: Database, folder: Path) -> None:
    with database.write() as connection:
        rights.replay(connection, read_journal(folder / JOURNAL_NAME), hasher=HASHER, now=database.clock()())
        backup.mark_replayed(connection, database.clock()())


@pytest.mark.slow
async def test_a_backup_of_any_moment_put_back_mails_nobody_twice_and_nobody_who_left(
    archive: Archive, journal: Journal, tmp_path: Path
) -> None:
    database = archive.database
    subscribe(database, PEOPLE)
    draft(database)
    archive.take()
    left: set[str] = set()
    async with FaultyRelay(pipelining=True) as relay:
        relay.slowness = 0.005
        settings = settings_for(relay.port, folder=tmp_path)
        running = asyncio.create_task(send(dispatch_for(database, settings)))
        for moment in range(1, MOMENTS - 1):
            await relay.taken(moment * (PEOPLE - MOMENTS) // MOMENTS)  # those who leave may get none
            await asyncio.to_thread(archive.take)
            left.add(await asyncio.to_thread(leave, database, PEOPLE + 1 - moment))
        assert (await running).error is None
        archive.take()
        left.add(leave(database, 1))
        relay.slowness = 0
        journal.close()
        assert len(archive.taken) == MOMENTS
        first = Counter(mail.recipient for mail in relay.accepted)
        assert max(first.values()) == 1
        for taken in archive.taken:
            relay.accepted.clear()
            archive.put_back(taken)
            dispatch = dispatch_for(database, settings)
            with pytest.raises(Refused):
                dispatch.start_due()
            with pytest.raises(Refused):
                await dispatch.runs.run("notes", unwatched)
            replay(database, tmp_path)
            if counts(database).state is not CampaignState.FINISHED:
                dispatch.resolve("notes", resend=False)
            dispatch.start_due()
            assert dispatch.due() == []
            assert relay.accepted == []
            assert counts(database).state is CampaignState.FINISHED
            draft(database, "next")
            assert (await send(dispatch, "next")).error is None
            mailed = Counter(mail.recipient for mail in relay.accepted)
            assert max(mailed.values()) == 1
            assert mailed.keys().isdisjoint(left), taken
            assert len(mailed) == PEOPLE - len(left)


async def test_an_address_that_bounced_after_the_backup_gets_no_mail_but_for_a_later_consent(
    archive: Archive, journal: Journal, tmp_path: Path
) -> None:
    database = archive.database
    subscribe(database, 3)
    draft(database)
    archive.take()
    unknown = b"550 5.1.1 No such user\r\n"
    async with FaultyRelay(refuses={f"person{n}@example.com": unknown for n in (2, 3)}) as relay:
        settings = settings_for(relay.port, folder=tmp_path)
        await send(dispatch_for(database, settings))
        journal.close()
        archive.put_back(archive.taken[0])
        consent_anew(database, 3)
        replay(database, tmp_path)
        with database.read() as connection:
            rows = connection.execute(text("SELECT reason FROM suppression")).scalars().all()
            assert audience.count(connection, NOTES.topic) == 2
    assert rows == ["bounced"]


async def test_an_older_database_copied_into_place_is_noticed_and_held(
    archive: Archive, tmp_path: Path
) -> None:
    database = archive.database
    subscribe(database, 40)
    draft(database)
    async with FaultyRelay(pipelining=True) as relay:
        relay.slowness = 0.01
        settings = settings_for(relay.port, folder=tmp_path)
        running = asyncio.create_task(send(dispatch_for(database, settings)))
        await relay.taken(5)
        await asyncio.to_thread(archive.take)
        await running
        mailed = len(relay.accepted)
        for _ in range(2):  # the second time it is older than the first
            archive.replace(archive.taken[0])
            dispatch = dispatch_for(database, settings)
            with pytest.raises(Refused, match=r"mailer\.head"):
                dispatch.start_due()
        assert counts(database).state is CampaignState.PAUSED
        with pytest.raises(Refused, match="restored"):
            dispatch_for(database, settings).start("notes")
    assert len(relay.accepted) == mailed


async def test_of_100_who_withdrew_and_10_who_were_erased_after_the_backup_nobody_is_mailed(
    archive: Archive, tmp_path: Path
) -> None:
    """Two hosts took them off, each with a journal of its own, and the backup was put back without telling anybody."""
    database = archive.database
    subscribe(database, 120)
    archive.take()
    journals = [Journal(tmp_path / f"{host}.journal") for host in ("one", "two")]
    left = set()
    for number in range(1, 111):
        database.after_commit = journals[number % 2].record
        left.add(leave(database, number) if number > 10 else erase(database, number))
    for journal in journals:
        journal.close()
    HeadFile(database, tmp_path / HEAD_NAME).note(at_once=True)
    archive.replace(archive.taken[0])
    draft(database)
    async with FaultyRelay(pipelining=True) as relay:
        dispatch = dispatch_for(database, settings_for(relay.port, folder=tmp_path))
        with pytest.raises(Refused, match=r"mailer\.head"):
            dispatch.start("notes")
        leavers = [leaver for host in ("one", "two") for leaver in read_journal(tmp_path / f"{host}.journal")]
        with database.write() as connection:
            done = rights.replay(connection, leavers, hasher=HASHER, now=database.clock()())
            backup.mark_replayed(connection, database.clock()())
        assert (done.withdrawn, done.erased) == (100, 10)
        dispatch.resolve("notes", resend=False)
        draft(database, "next")
        assert (await send(dispatch, "next")).error is None
        mailed = {mail.recipient for mail in relay.accepted}
    assert mailed == {f"person{number}@example.com" for number in range(111, 121)}
    assert mailed.isdisjoint(left)
    with database.read() as connection:
        replayed = [one.event for one in ledger.entries(connection) if one.event.channel is Channel.REPLAY]
        assert Counter(one.kind for one in replayed) == {
            ConsentKind.WITHDRAWN: 100,
            ConsentKind.ERASED: 10,
            ConsentKind.SUPPRESSED: 10,
        }
        assert ledger.verify(connection, hasher=HASHER).signed == 240


async def test_a_database_that_goes_on_is_not_held(archive: Archive, tmp_path: Path) -> None:
    database = archive.database
    subscribe(database, 5)
    draft(database)
    async with FaultyRelay() as relay:
        settings = settings_for(relay.port, folder=tmp_path)
        await send(dispatch_for(database, settings))
        archive.take()
        archive.replace(archive.taken[0])
        dispatch_for(database, settings).start_due()
        leave(database, 1)
        dispatch_for(database, settings).start_due()


def test_a_ledger_that_took_another_way_is_noticed(sqlite_database: Database, tmp_path: Path) -> None:
    database = sqlite_database
    settings = settings_for(25, folder=tmp_path)
    subscribe(database, 5)
    before = tmp_path / "before"
    database.copy_file(before)
    leave(database, 1)
    dispatch_for(database, settings).start_due()
    Archive(database, tmp_path).replace(before)
    leave(database, 2)
    leave(database, 3)
    with pytest.raises(Refused, match=r"mailer\.head"):
        dispatch_for(database, settings).start_due()


def test_another_installation_beside_the_marker_is_not_held(
    sqlite_database: Database, sqlite_template: Path, tmp_path: Path
) -> None:
    settings = settings_for(25, folder=tmp_path)
    subscribe(sqlite_database, 5)
    dispatch_for(sqlite_database, settings).start_due()
    other = Database(f"sqlite:///{shutil.copyfile(sqlite_template, tmp_path / 'other.db')}")
    with other.engine.begin() as connection:
        connection.execute(text("UPDATE installation SET id = 'another'"))
    dispatch_for(other, settings).start_due()
    other.close()


async def test_a_campaign_that_is_to_be_sent_again_is_sent_after_all_is_decided(
    archive: Archive, tmp_path: Path
) -> None:
    database = archive.database
    subscribe(database, 4)
    draft(database)
    draft(database, "other")
    async with FaultyRelay() as relay:
        settings = settings_for(relay.port, folder=tmp_path)
        dispatch = dispatch_for(database, settings)
        dispatch.start("notes")
        with database.write() as connection:
            holds.hold(connection, "test", database.clock()())
            backup.mark_replayed(connection, database.clock()())
        assert dispatch.resolve("notes", resend=True) == 4
        with pytest.raises(Refused, match="restored"):
            dispatch.start("other")
        assert dispatch.resolve("other", resend=False) == 0
        dispatch.act("notes", Act.RESUME)
        await dispatch.runs.run("notes", unwatched)
        assert len(relay.accepted) == 4
        assert counts(database, "other").state is CampaignState.FINISHED


def test_the_commands_name_postgresqls_own_programs_without_the_password(
    postgresql_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgresql_database.url.set(password="Geheim-77-password").render_as_string(hide_password=False)
    write_config(tmp_path, 25, database_url=url)
    monkeypatch.chdir(tmp_path)
    taken = CliRunner().invoke(command, ["backup", "copy.dump"])
    assert isinstance(taken.exception, MailerError)
    assert "pg_dump --format=custom --file=copy.dump 'postgresql://" in str(taken.exception)
    (tmp_path / "copy.dump").touch()
    restored = CliRunner().invoke(command, ["restore", "copy.dump", "--yes"])
    assert "pg_restore --clean" in str(restored.exception)
    assert "Geheim" not in f"{taken.exception}{restored.exception}"
