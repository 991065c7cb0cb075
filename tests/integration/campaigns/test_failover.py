"""The primary is lost in mid-send and its standby promoted: nobody gets two mails, and what was lost is
named.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from campaigns.lifecycle import Act
from campaigns.sending import Dispatch, Tally
from campaigns.states import CampaignState
from mailer import backup
from mailer.database import Database
from mailer.errors import Refused
from tests.support.campaign import counts, dispatch_for, draft, send, settings_for, subscribe, unwatched
from tests.support.relay import FaultyRelay
from tests.support.standby import Pair, replicated

PEOPLE = 400


@dataclass(frozen=True, slots=True)
class Run:
    """A run on a primary with a standby, which has sent a quarter of the mails."""

    pair: Pair
    database: Database
    relay: FaultyRelay
    dispatch: Dispatch
    task: asyncio.Task[Tally]


@asynccontextmanager
async def sending(*, synchronous: bool) -> AsyncIterator[Run]:
    with replicated(synchronous=synchronous) as pair:
        database = Database(pair.url)
        database.create()
        warning = database.durability_problem() or ""  # of `mailer doctor`
        assert ("asynchronous" in warning) == (not synchronous)
        subscribe(database, PEOPLE)
        draft(database)
        async with FaultyRelay(pipelining=True) as relay:
            relay.slowness = 0.02
            dispatch = dispatch_for(database, settings_for(relay.port))
            task = asyncio.create_task(send(dispatch))
            await relay.taken(PEOPLE // 4)
            yield Run(pair, database, relay, dispatch, task)
        database.close()


@pytest.mark.slow
async def test_promoting_a_synchronous_standby_in_mid_send_mails_nobody_twice() -> None:
    async with sending(synchronous=True) as run:
        await asyncio.to_thread(run.pair.fail_over)
        before = len(run.relay.accepted)
        assert (await run.task).error is None
        status = counts(run.database)
        mailed = Counter(mail.recipient for mail in run.relay.accepted)
    assert before < PEOPLE, "the failover came after the last mail"
    assert max(mailed.values()) == 1
    assert status.state is CampaignState.FINISHED
    assert (status.accepted + status.uncertain, len(mailed) <= PEOPLE) == (PEOPLE, True)
    assert status.accepted <= len(mailed)


@pytest.mark.slow
async def test_promoting_a_standby_that_lags_stops_the_run_and_names_whom_it_had_mailed() -> None:
    async with sending(synchronous=False) as run:
        await asyncio.to_thread(run.pair.cut_off)
        at_cut = len(run.relay.accepted)
        await run.relay.taken(at_cut + PEOPLE // 8)
        await asyncio.to_thread(run.pair.fail_over)
        error = (await run.task).error
        assert error is not None
        assert "went back" in error.message
        with pytest.raises(Refused, match="restored"):
            run.dispatch.start_due()
        with run.database.write() as connection:
            backup.mark_replayed(connection, run.database.clock()())
        assert run.dispatch.resolve("notes", resend=True) > 0
        run.dispatch.act("notes", Act.RESUME)
        await run.dispatch.runs.run("notes", unwatched)
        mailed = Counter(mail.recipient for mail in run.relay.accepted)
        uncertain = counts(run.database).uncertain
    assert max(mailed.values()) == 1
    assert uncertain + len(mailed) >= PEOPLE
