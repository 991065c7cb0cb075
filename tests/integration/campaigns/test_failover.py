"""The primary is lost in mid-send and its standby promoted: nobody gets two mails, and what was lost is named."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from campaigns.lifecycle import Act
from campaigns.models import CampaignState
from mailer import backup
from mailer.database import Database
from mailer.errors import Refused
from tests.support.campaign import counts, dispatch_for, draft, send, settings_for, subscribe, unwatched
from tests.support.relay import FaultyRelay
from tests.support.standby import replicated

PEOPLE = 400


@pytest.mark.slow
async def test_promoting_a_synchronous_standby_in_mid_send_mails_nobody_twice() -> None:
    with replicated(synchronous=True) as pair:
        database = Database(pair.url)
        database.create()
        subscribe(database, PEOPLE)
        draft(database)
        async with FaultyRelay(pipelining=True) as relay:
            relay.slowness = 0.02
            running = asyncio.create_task(send(dispatch_for(database, settings_for(relay.port))))
            await relay.taken(PEOPLE // 4)
            await asyncio.to_thread(pair.fail_over)
            before = len(relay.accepted)
            assert (await running).error is None
        status = counts(database)
        mailed = Counter(mail.recipient for mail in relay.accepted)
        database.close()
    assert before < PEOPLE, "the failover came after the last mail"
    assert max(mailed.values()) == 1
    assert status.state is CampaignState.FINISHED
    assert (status.accepted + status.uncertain, len(mailed) <= PEOPLE) == (PEOPLE, True)
    assert status.accepted <= len(mailed)


@pytest.mark.slow
async def test_promoting_a_standby_that_lags_stops_the_run_and_names_whom_it_had_mailed() -> None:
    with replicated(synchronous=False) as pair:
        database = Database(pair.url)
        database.create()
        subscribe(database, PEOPLE)
        draft(database)
        async with FaultyRelay(pipelining=True) as relay:
            relay.slowness = 0.02
            dispatch = dispatch_for(database, settings_for(relay.port))
            running = asyncio.create_task(send(dispatch))
            await relay.taken(PEOPLE // 4)
            await asyncio.to_thread(pair.cut_off)
            at_cut = len(relay.accepted)
            await relay.taken(at_cut + PEOPLE // 8)
            await asyncio.to_thread(pair.fail_over)
            error = (await running).error
            assert error is not None
            assert "went back" in error.message
            with pytest.raises(Refused, match="restored"):
                dispatch.start_due()
            with database.write() as connection:
                backup.mark_replayed(connection, database.clock()())
            assert dispatch.resolve("notes", resend=True) > 0
            dispatch.act("notes", Act.RESUME)
            await dispatch.run("notes", unwatched)
        mailed = Counter(mail.recipient for mail in relay.accepted)
        uncertain = counts(database).uncertain
        database.close()
    assert max(mailed.values()) == 1
    assert uncertain + len(mailed) >= PEOPLE
