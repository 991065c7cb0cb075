"""Whole runs: a campaign, a relay on a socket that may go wrong, and what is in the ledger afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest

from campaigns import catalogue
from campaigns.deliveries import Attempt, ClaimContext, Settlement, workers
from campaigns.lifecycle import Act
from campaigns.sending import Dispatch, Sender
from campaigns.sending.batches import Batches
from campaigns.sending.compose import Composer
from campaigns.sending.recorder import Batch, Recorder
from campaigns.states import CampaignState, DeliveryState
from mailer.database import Database
from mailer.errors import RelayUnavailable
from mailer.message import Content
from mailer.smtp import Envelope
from mailer.smtp.relays import Relays
from subscribers.audience import ConsentedRecipient
from tests.support.campaign import (
    TOPIC,
    counts,
    dispatch_for,
    draft,
    send,
    settings_for,
    subscribe,
    unwatched,
    withdraw,
)
from tests.support.faults import Fault, Point
from tests.support.relay import FaultyRelay

EXTENSIONS = [{}, {"pipelining": True}, {"pipelining": True, "chunking": True}]
LEASE = timedelta(seconds=60)
ids = ["plain", "pipelining", "chunking"]


@pytest.mark.parametrize("extensions", EXTENSIONS, ids=ids)
async def test_everyone_who_agreed_gets_one_mail_of_their_own(
    database: Database, extensions: dict[str, Any]
) -> None:
    people = subscribe(database, 30)
    withdraw(database, people[3])
    draft(database)
    async with FaultyRelay(**extensions) as relay:
        tally = await send(dispatch_for(database, settings_for(relay.port)))
    assert tally.error is None
    status = counts(database)
    assert (status.state, status.audience, status.accepted) == (CampaignState.FINISHED, 29, 29)
    assert Counter(mail.recipient for mail in relay.accepted) == {
        f"person{number}@example.com": 1 for number in range(1, 31) if number != 4
    }
    for mail in relay.accepted:
        message = message_from_bytes(mail.content, policy=policy.default)
        assert message["To"].addresses[0].addr_spec == mail.recipient
    links = {message_from_bytes(mail.content)["List-Unsubscribe"] for mail in relay.accepted}
    assert len(links) == 29


@pytest.mark.parametrize(("people", "most"), [(1, 1), (2, 2), (40, 10)])
async def test_no_more_connections_are_opened_than_there_are_mails(
    database: Database, people: int, most: int
) -> None:
    subscribe(database, people)
    draft(database)
    async with FaultyRelay() as relay:
        await send(dispatch_for(database, settings_for(relay.port, smtp={"connections": 10})))
    assert counts(database).accepted == people
    assert 1 <= relay.connections <= most


@pytest.mark.parametrize("extensions", EXTENSIONS, ids=ids)
@pytest.mark.parametrize("connections", [1, 2, 10])
async def test_a_few_mails_all_go_in_one_run_where_a_connection_takes_one(
    sqlite_database: Database, extensions: dict[str, Any], connections: int
) -> None:
    subscribe(sqlite_database, 3)
    draft(sqlite_database)
    async with FaultyRelay(most_messages=1, **extensions) as relay:
        await send(dispatch_for(sqlite_database, settings_for(relay.port, smtp={"connections": connections})))
    assert counts(sqlite_database).accepted == len(relay.accepted) == 3


async def test_a_message_id_is_the_same_on_a_retry(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 1)
    draft(sqlite_database)
    later = {Point.FINAL: Fault.LATER}
    async with FaultyRelay([later]) as relay:
        settings = settings_for(relay.port, retry={"first_seconds": 0.05})
        dispatch = dispatch_for(sqlite_database, settings)
        await send(dispatch)
        while counts(sqlite_database).deferred:  # a slow machine tries it again in the same run
            await asyncio.sleep(0.1)
            if dispatch.due():
                await dispatch.runs.run("notes", unwatched)
    first, second = (message_from_bytes(content)["Message-ID"] for content in relay.contents)
    assert first == second
    assert counts(sqlite_database).accepted == 1


async def test_a_rejected_address_is_rejected_alone(database: Database) -> None:
    subscribe(database, 3)
    draft(database)
    async with FaultyRelay(refuses={"person2@example.com": b"550 5.1.1 No such user\r\n"}) as relay:
        await send(dispatch_for(database, settings_for(relay.port)))
    status = counts(database)
    assert (status.accepted, status.rejected, status.state) == (2, 1, CampaignState.FINISHED)


async def test_greylisting_defers_for_half_an_hour(database: Database) -> None:
    subscribe(database, 1)
    draft(database)
    async with FaultyRelay(refuses={"person1@example.com": b"450 4.2.0 Greylisted\r\n"}) as relay:
        dispatch = dispatch_for(database, settings_for(relay.port))
        await send(dispatch)
    status = counts(database)
    assert (status.deferred, status.state) == (1, CampaignState.SENDING)
    assert status.next_due_at is not None
    wait = status.next_due_at - database.clock()()
    assert timedelta(minutes=29) < wait < timedelta(minutes=37)
    assert dispatch.due() == []


async def test_a_relay_that_refuses_our_sender_pauses_the_campaign_and_blames_no_subscriber(
    database: Database,
) -> None:
    subscribe(database, 20)
    draft(database)
    async with FaultyRelay([{Point.MAIL: Fault.REFUSE}] * 50) as relay:
        tally = await send(dispatch_for(database, settings_for(relay.port)))
    assert tally.pause_reason is not None
    status = counts(database)
    assert (status.state, status.rejected) == (CampaignState.PAUSED, 0)
    assert status.pending + status.accepted == 20
    assert "5.1.8" in (status.paused_because or "")


async def test_a_relay_that_is_away_loses_nothing(database: Database) -> None:
    subscribe(database, 5)
    draft(database)
    async with FaultyRelay() as relay:
        port = relay.port
    dispatch = dispatch_for(database, settings_for(port, smtp={"timeouts": {"connect": 0.2}}))
    tally = await send(dispatch)
    assert isinstance(tally.error, RelayUnavailable)
    assert counts(database).pending == 5
    assert dispatch.due() == ["notes"]


async def test_a_connection_that_drops_before_the_content_is_replaced_in_the_same_run(
    database: Database,
) -> None:
    subscribe(database, 20)
    draft(database)
    async with FaultyRelay([{Point.RCPT: Fault.HANG_UP}, {Point.MAIL: Fault.CLOSING}]) as relay:
        await send(dispatch_for(database, settings_for(relay.port)))
    assert counts(database).accepted == 20
    assert len({mail.recipient for mail in relay.accepted}) == len(relay.accepted) == 20


async def test_a_lost_answer_to_the_content_is_uncertain_and_not_sent_again(database: Database) -> None:
    subscribe(database, 10)
    draft(database)
    async with FaultyRelay([{Point.FINAL: Fault.HANG_UP}]) as relay:
        dispatch = dispatch_for(database, settings_for(relay.port))
        await send(dispatch)
        assert dispatch.due() == []
    status = counts(database)
    assert (status.accepted, status.uncertain, status.state) == (9, 1, CampaignState.FINISHED)
    assert len(relay.contents) == 10


@pytest.mark.parametrize(
    "extensions", [{}, {"pipelining": True}, {"pipelining": True, "chunking": True}], ids=str
)
async def test_where_the_relay_answers_no_content_the_campaign_pauses_after_three_mails_a_connection(
    database: Database, extensions: dict[str, Any]
) -> None:
    subscribe(database, 60)
    draft(database)
    silent = {Point.FINAL: Fault.HANG_UP, Point.BDAT: Fault.HANG_UP}
    async with FaultyRelay([silent] * 100, **extensions) as relay:
        dispatch = dispatch_for(database, settings_for(relay.port, smtp={"connections": 4}))
        tally = await send(dispatch)
        assert (tally.pause_reason or "").startswith("12 mails in a row are uncertain: ")
        paused = counts(database)
        assert paused.state is CampaignState.PAUSED
        assert paused.paused_because == tally.pause_reason
        assert 12 <= paused.uncertain <= 12 + 4
        assert paused.pending == 60 - paused.uncertain
        relay.plan.clear()
        dispatch.act("notes", Act.RESUME)
        await dispatch.runs.run("notes", unwatched)
    status = counts(database)
    assert (status.state, status.uncertain) == (CampaignState.FINISHED, paused.uncertain)
    assert status.accepted == 60 - status.uncertain
    assert len({mail.recipient for mail in relay.accepted}) == len(relay.accepted)


async def test_where_the_last_mails_are_uncertain_the_campaign_is_finished_and_not_paused(
    database: Database,
) -> None:
    subscribe(database, 3)
    draft(database)
    async with FaultyRelay([{Point.FINAL: Fault.HANG_UP}] * 3) as relay:
        await send(dispatch_for(database, settings_for(relay.port, smtp={"connections": 1})))
    status = counts(database)
    assert (status.state, status.uncertain) == (CampaignState.FINISHED, 3)


async def test_uncertain_mails_with_an_accepted_one_in_between_pause_nothing(database: Database) -> None:
    subscribe(database, 15)
    draft(database)
    silent = {Point.FINAL: Fault.HANG_UP}
    async with FaultyRelay([silent, silent, {}] * 5) as relay:
        one_each = {"connections": 1, "messages_per_connection": 1}
        tally = await send(dispatch_for(database, settings_for(relay.port, smtp=one_each)))
    status = counts(database)
    assert (tally.pause_reason, status.accepted, status.uncertain) == (None, 5, 10)


async def test_a_resent_uncertain_delivery_reopens_the_campaign(database: Database) -> None:
    subscribe(database, 1)
    draft(database)
    async with FaultyRelay([{Point.FINAL: Fault.HANG_UP}]) as relay:
        dispatch = dispatch_for(database, settings_for(relay.port))
        await send(dispatch)
        assert dispatch.resolve("notes", resend=True) == 1
        assert dispatch.due() == ["notes"]
        await dispatch.runs.run("notes", unwatched)
    assert counts(database).accepted == 1


async def test_pausing_holds_a_campaign_and_resuming_lets_it_go_on(database: Database) -> None:
    subscribe(database, 300)
    draft(database)
    async with FaultyRelay(pipelining=True) as relay:
        dispatch = dispatch_for(database, settings_for(relay.port))
        relay.slowness = 0.03
        running = asyncio.create_task(send(dispatch))
        await relay.taken(20)
        await asyncio.to_thread(dispatch.act, "notes", Act.PAUSE)
        held = len(relay.accepted)
        await running
        assert held <= len(relay.accepted) <= held + 4
        assert dispatch.due() == []
        relay.slowness = 0
        dispatch.act("notes", Act.RESUME)
        await send(dispatch)
    assert Counter(Counter(mail.recipient for mail in relay.accepted).values()) == {1: 300}


async def test_cancelling_stops_a_running_campaign_for_good(database: Database) -> None:
    subscribe(database, 300)
    draft(database)
    async with FaultyRelay(pipelining=True) as relay:
        dispatch = dispatch_for(database, settings_for(relay.port))
        relay.slowness = 0.03
        running = asyncio.create_task(send(dispatch))
        await relay.taken(20)
        await asyncio.to_thread(dispatch.act, "notes", Act.CANCEL)
        await running
    status = counts(database)
    assert status.state is CampaignState.CANCELLED
    assert status.accepted == len(relay.accepted) < 300
    assert status.accepted + status.cancelled == 300


class FreezingComposer:
    """Composes as `composer` does. While it composes the first mail, the process is frozen for a lease."""

    def __init__(self, composer: Composer, freeze: Callable[[], None]) -> None:
        self._composer, self._freeze = composer, freeze
        self.composed = 0

    def through(self, _relay: str) -> FreezingComposer:
        return self

    def compose(
        self, recipient: ConsentedRecipient, now: datetime, announced: Envelope | None
    ) -> tuple[Envelope, Content]:
        self.composed += 1
        if self.composed == 1:
            self._freeze()
        return self._composer.compose(recipient, now, announced)


@pytest.mark.parametrize("extensions", EXTENSIONS, ids=ids)
async def test_a_process_frozen_past_its_lease_offers_nothing(
    sqlite_database: Database, extensions: dict[str, Any]
) -> None:
    """The lease passes after the gate has answered: the content stays here, and the mail is not lost."""
    subscribe(sqlite_database, 1)
    draft(sqlite_database)
    clock, frozen = sqlite_database.clock(), timedelta(0)

    def freeze() -> None:
        nonlocal frozen
        frozen = LEASE

    def frozen_clock() -> datetime:
        return clock() + frozen

    async with FaultyRelay(**extensions) as relay:
        settings = settings_for(relay.port)
        dispatch = dispatch_for(sqlite_database, settings)
        recorder = Recorder(sqlite_database, _worker(dispatch, sqlite_database), frozen_clock, LEASE)
        composer: Any = FreezingComposer(dispatch.preparation.composer("notes"), freeze)
        async with Relays(settings.every_relay) as relays:
            sender = Sender(recorder, relays, Batches(recorder, relays, composer, retry=settings.retry))
            await sender.run()
        recorder.close()
    assert (composer.composed, len(relay.contents)) == (2, 1)
    assert counts(sqlite_database).accepted == 1


async def test_an_answer_that_is_lost_repeats_nobody(sqlite_database: Database) -> None:
    """The outcome of an earlier attempt does not change the next attempt, which is in flight."""
    subscribe(sqlite_database, 1)
    draft(sqlite_database)
    dispatch = dispatch_for(sqlite_database, settings_for(25))
    recorder = Recorder(sqlite_database, _worker(dispatch, sqlite_database), sqlite_database.clock(), LEASE)
    (claimed,) = (await recorder.commit(Batch(claim=1))).claimed
    cut_off = Batch([Settlement(claimed, 1, DeliveryState.PENDING)])
    await recorder.commit(Batch(relays={claimed: ""}))
    await recorder.commit(cut_off)
    assert list((await recorder.commit(Batch(claim=1))).claimed) == [claimed]
    attempt = Batch(relays={claimed: ""})
    await recorder.commit(attempt)
    await recorder.commit(cut_off)
    assert not (await recorder.commit(Batch(claim=1))).claimed
    with sqlite_database.write() as connection:  # the recorder's own second try
        again = recorder._apply(connection, batch=attempt, is_retry=True).answers[claimed]
    assert isinstance(again, Attempt)
    assert again.attempts == 3
    recorder.close()


def _worker(dispatch: Dispatch, database: Database) -> ClaimContext:
    """Start the campaign, with a worker for it."""
    dispatch.start("notes")
    with database.write() as connection:
        campaign_id = catalogue.find(connection, "notes").id
        process, now = workers.Process.current(), database.clock()()
        number = workers.register(connection, process, campaign_id, now, LEASE)
        return ClaimContext(number, campaign_id, TOPIC, reads_wordings=False)
