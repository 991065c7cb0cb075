"""The primary is lost in mid-send and its synchronous standby promoted: nobody gets two mails."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from campaigns.models import CampaignState
from mailer.database import Database
from tests.support.campaign import counts, dispatch_for, draft, send, settings_for, subscribe
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
