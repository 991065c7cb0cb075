"""Whole runs that sign their mails in a process of their own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import dkim as dkimpy
import pytest

from campaigns.states import CampaignState
from mailer.config import DkimSettings, Settings, dkim_keys
from mailer.database import Database
from mailer.errors import ConfigurationError, TryAgainLater
from mailer.message import dkim
from mailer.message.dkim import Algorithm
from mailer.signing import SigningProcess
from tests.support.campaign import counts, dispatch_for, draft, send, settings_for, subscribe, unwatched
from tests.support.processes import children
from tests.support.relay import FaultyRelay

PEOPLE = 40
KEY = dkim.generate(Algorithm.RSA_SHA256, domain="example.com", selector="r2026")


def signing_settings(relay: FaultyRelay, folder: Path, **more: Any) -> Settings:
    path = folder / "dkim.pem"
    if not path.exists():
        dkim_keys.write(KEY, path)
    keys = DkimSettings(domain=KEY.domain, selector=KEY.selector, key_file=path)
    return settings_for(relay.port, dkim=keys, **more)


def is_verified(raw: bytes) -> bool:
    def lookup(_name: bytes, timeout: int = 5) -> bytes:
        assert timeout
        return dkim.dns_record(KEY).text.encode()

    return bool(dkimpy.DKIM(raw).verify(dnsfunc=lookup))


async def test_the_end_of_the_process_that_signs_stops_the_run_and_loses_nothing(
    database: Database, tmp_path: Path
) -> None:
    subscribe(database, PEOPLE)
    draft(database)
    before = set(children(os.getpid()))
    async with FaultyRelay(pipelining=True) as relay:
        relay.slowness = 0.02
        settings = signing_settings(relay, tmp_path)
        dispatch = dispatch_for(database, settings)
        sending = asyncio.create_task(send(dispatch))
        while len(relay.accepted) < 5:  # noqa: ASYNC110 - the relay tells nobody
            await asyncio.sleep(0.005)
        (pid,) = set(children(os.getpid())) - before
        os.kill(pid, signal.SIGKILL)
        tally = await sending
        assert isinstance(tally.error, TryAgainLater)
        assert "The process that signs mails has ended (signal 9)." in str(tally.error)
        status = counts(database)
        assert (status.in_flight, status.uncertain, status.deferred) == (0, 0, 0)
        assert 5 <= status.accepted == len(relay.accepted) < PEOPLE
        assert status.pending == PEOPLE - status.accepted
        assert set(children(os.getpid())) == before

        relay.slowness = 0
        await dispatch.runs.run("notes", unwatched)
    assert counts(database).state is CampaignState.FINISHED
    assert set(Counter(mail.recipient for mail in relay.accepted).values()) == {1}
    assert len(relay.accepted) == PEOPLE
    assert all(is_verified(mail.content) for mail in relay.accepted)
    assert set(children(os.getpid())) == before


async def test_of_mails_that_wait_for_signatures_a_run_that_is_ended_at_once_knows_that_none_was_offered(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()
    sign = SigningProcess.sign
    senders: list[Any] = []

    async def sign_late(process: SigningProcess, contents: Any, signed: Any) -> None:
        if len(contents) > 3:
            begun.set()
            await may_end.wait()
        await sign(process, contents, signed)

    def watch(sender: Any) -> Any:
        senders.append(sender)
        return unwatched(sender)

    monkeypatch.setattr(SigningProcess, "sign", sign_late)
    subscribe(sqlite_database, PEOPLE)
    draft(sqlite_database)
    async with FaultyRelay() as relay:
        limits = {"smtp": {"limits": {"per_second": 20}, "connections": 10}}
        dispatch = dispatch_for(sqlite_database, signing_settings(relay, tmp_path, **limits))
        dispatch.start("notes")
        sending = asyncio.create_task(dispatch.runs.run("notes", watch))
        await asyncio.wait_for(begun.wait(), 60)
        senders[0].stop_at_once()
        await asyncio.sleep(0.01)
        may_end.set()
        await asyncio.wait_for(sending, 60)
    status = counts(sqlite_database)
    assert (status.uncertain, status.pending) == (0, PEOPLE - len(relay.accepted))


async def test_an_invalid_key_is_refused_before_the_campaign_begins(
    sqlite_database: Database, tmp_path: Path
) -> None:
    subscribe(sqlite_database, 1)
    draft(sqlite_database)
    async with FaultyRelay() as relay:
        settings = signing_settings(relay, tmp_path)
        assert settings.dkim.key_file is not None
        settings.dkim.key_file.write_text("no key")
        with pytest.raises(ConfigurationError, match="is not an unencrypted private key"):
            await send(dispatch_for(sqlite_database, settings))
    assert counts(sqlite_database).state is CampaignState.DRAFT
