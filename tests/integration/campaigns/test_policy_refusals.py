"""Refusals that name no address: one recipient's are that recipient's, everybody's pause the campaign."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.lifecycle import Act
from campaigns.states import CampaignState
from mailer.database import Database
from mailer.errors import InvalidInput
from tests.support.campaign import counts, dispatch_for, draft, send, settings_for, subscribe, unwatched
from tests.support.relay import FaultyRelay

EXTENSIONS = [{}, {"pipelining": True}, {"pipelining": True, "chunking": True}]
ids = ["plain", "pipelining", "chunking"]
REPLIES = [
    b"550 5.7.1 Message rejected by recipient policy\r\n",
    b"554 5.7.1 <person4@example.com>: Recipient address rejected: Access denied\r\n",
    b"550 5.7.515 Access denied\r\n",
    b"550 5.4.5 Daily SMTP relay limit exceeded for customer\r\n",
    b"554 Message rejected: Email address is not verified\r\n",
]


def _person(number: int) -> str:
    return f"person{number}@example.com"


def _refusing(*numbers: int, at: str = "refuses", reply: bytes = REPLIES[0]) -> dict[str, Any]:
    return {at: {_person(number): reply for number in numbers}}


@pytest.mark.parametrize("reply", REPLIES, ids=["550", "554", "5.7.515", "5.4.5", "no status"])
@pytest.mark.parametrize("connections", [1, 10])
@pytest.mark.parametrize("extensions", EXTENSIONS, ids=ids)
@pytest.mark.parametrize("at", ["refuses", "refuses_content"], ids=["at RCPT", "after content"])
async def test_one_of_nine_is_rejected_and_the_eight_others_get_their_mail(
    sqlite_database: Database, at: str, extensions: dict[str, Any], connections: int, reply: bytes
) -> None:
    subscribe(sqlite_database, 9)
    draft(sqlite_database)
    async with FaultyRelay(**extensions, **_refusing(4, at=at, reply=reply)) as relay:
        settings = settings_for(relay.port, smtp={"connections": connections})
        tally = await send(dispatch_for(sqlite_database, settings))
    assert (tally.error, tally.pause_reason) == (None, None)
    status = counts(sqlite_database)
    assert (status.state, status.accepted, status.rejected) == (CampaignState.FINISHED, 8, 1)
    assert len(relay.accepted) == 8


async def test_a_refusal_for_policy_suppresses_nobody(database: Database) -> None:
    subscribe(database, 2)
    draft(database)
    async with FaultyRelay(**_refusing(1)) as relay:
        await send(dispatch_for(database, settings_for(relay.port)))
        draft(database, "next")
        relay.refuses.clear()
        await send(dispatch_for(database, settings_for(relay.port)), "next")
    assert counts(database, "next").accepted == 2


async def test_two_in_a_row_are_not_yet_everybody(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 9)
    draft(sqlite_database)
    async with FaultyRelay(**_refusing(3, 4, 6, 7, 9)) as relay:
        await send(dispatch_for(sqlite_database, settings_for(relay.port, smtp={"connections": 1})))
    status = counts(sqlite_database)
    assert (status.state, status.accepted, status.rejected) == (CampaignState.FINISHED, 4, 5)


@pytest.mark.parametrize(
    "reply",
    [
        b"550 5.7.1 Message rejected by recipient policy\r\n",
        b"550 The from address does not match a verified Sender Identity\r\n",
        b"554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException\r\n",
        b"550 5.4.5 Daily SMTP relay limit exceeded for customer\r\n",
        b"550 Domain acme.example has exceeded the max emails per hour (100/100) allowed\r\n",
        b"550 5.1.0 Sender address rejected: User unknown in local recipient table\r\n",
    ],
    ids=["5.7.1", "sender", "5.2.0", "5.4.5", "no status", "5.1.0"],
)
@pytest.mark.parametrize("connections", [1, 10])
@pytest.mark.parametrize("at", ["refuses", "refuses_content"], ids=["at RCPT", "after content"])
async def test_where_everybody_is_refused_the_campaign_pauses_and_nobody_is_rejected(
    database: Database, at: str, connections: int, reply: bytes
) -> None:
    subscribe(database, 20)
    draft(database)
    async with FaultyRelay(**_refusing(*range(1, 21), at=at, reply=reply)) as relay:
        dispatch = dispatch_for(database, settings_for(relay.port, smtp={"connections": connections}))
        tally = await send(dispatch)
        status = counts(database)
        assert tally.pause_reason is not None
        assert (status.state, status.rejected, status.pending) == (CampaignState.PAUSED, 0, 20)
        assert status.paused_because == f"The relay refuses our mail: {reply.decode().strip()}"
        getattr(relay, at).clear()
        dispatch.act("notes", Act.RESUME)
        await dispatch.runs.run("notes", unwatched)
    assert counts(database).accepted == 20


@pytest.mark.parametrize("status", ["5.1.1", "5.2.1", "5.2.2"])
@pytest.mark.parametrize("at", ["refuses", "refuses_content"], ids=["at RCPT", "after content"])
async def test_a_reply_about_the_address_or_mailbox_is_that_recipients_however_many_there_are(
    sqlite_database: Database, at: str, status: str
) -> None:
    subscribe(sqlite_database, 20)
    draft(sqlite_database)
    reply = f"550 {status} Not here\r\n".encode()
    async with FaultyRelay(**_refusing(*range(1, 20), at=at, reply=reply)) as relay:
        tally = await send(dispatch_for(sqlite_database, settings_for(relay.port)))
    assert (tally.error, tally.pause_reason) == (None, None)
    after = counts(sqlite_database)
    assert (after.state, after.accepted, after.rejected) == (CampaignState.FINISHED, 1, 19)


async def test_after_a_resume_the_others_come_first(database: Database) -> None:
    subscribe(database, 9)
    draft(database)
    async with FaultyRelay(**_refusing(1, 2, 3)) as relay:
        dispatch = dispatch_for(database, settings_for(relay.port, smtp={"connections": 1}))
        await send(dispatch)
        assert (counts(database).state, counts(database).accepted) == (CampaignState.PAUSED, 0)
        dispatch.act("notes", Act.RESUME)
        await dispatch.runs.run("notes", unwatched)
    assert sorted(mail.recipient for mail in relay.accepted) == [_person(number) for number in range(4, 10)]


async def test_what_is_skipped_is_not_tried_again_and_the_campaign_finishes(database: Database) -> None:
    subscribe(database, 9)
    draft(database)
    async with FaultyRelay(**_refusing(1, 2, 3)) as relay:
        dispatch = dispatch_for(database, settings_for(relay.port, smtp={"connections": 1}))
        await send(dispatch)
        dispatch.act("notes", Act.RESUME)
        await dispatch.runs.run("notes", unwatched)
        assert counts(database).state is CampaignState.PAUSED
        assert dispatch.skip("notes", [1, 2]) == 2
        assert counts(database).state is CampaignState.PAUSED
        assert dispatch.skip("notes", [3]) == 1
    status = counts(database)
    assert (status.state, status.accepted, status.skipped, status.pending) == (
        CampaignState.FINISHED,
        6,
        3,
        0,
    )
    assert status.audience == 9


async def test_only_what_may_still_be_tried_can_be_skipped(database: Database) -> None:
    subscribe(database, 2)
    draft(database)
    async with FaultyRelay(refuses={_person(2): b"450 4.2.0 Later\r\n"}) as relay:
        dispatch = dispatch_for(database, settings_for(relay.port))
        await send(dispatch)
    with pytest.raises(InvalidInput, match="no pending or deferred delivery 1, 77"):
        dispatch.skip("notes", [1, 2, 77])
    assert counts(database).deferred == 1
    assert dispatch.skip("notes", [2]) == 1
    assert counts(database).state is CampaignState.FINISHED


@pytest.mark.parametrize("connections", [1, 4])
async def test_a_limit_of_messages_a_connection_defers_nobody(database: Database, connections: int) -> None:
    subscribe(database, 60)
    draft(database)
    async with FaultyRelay(most_messages=7) as relay:
        settings = settings_for(relay.port, smtp={"connections": connections})
        tally = await send(dispatch_for(database, settings))
    assert tally.error is None
    assert (counts(database).accepted, len(relay.accepted)) == (60, 60)


@pytest.mark.parametrize("pipelining", [False, True])
async def test_a_relay_that_refuses_bdat_gets_every_mail_once(database: Database, pipelining: bool) -> None:
    subscribe(database, 20)
    draft(database)
    refusal = b"500 5.5.1 Command unrecognized\r\n"
    async with FaultyRelay(pipelining=pipelining, chunking=True, refuses_bdat=refusal) as relay:
        tally = await send(dispatch_for(database, settings_for(relay.port)))
    assert (tally.error, tally.pause_reason) == (None, None)
    assert (counts(database).accepted, len(relay.accepted)) == (20, 20)
