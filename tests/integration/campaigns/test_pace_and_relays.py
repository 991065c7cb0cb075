"""Whole runs under limits and over several relays: nobody held up by others' limits, nobody twice, nobody lost."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from campaigns.states import CampaignState
from mailer.database import Database
from mailer.database.columns import table
from mailer.errors import RelayUnavailable
from mailer.smtp.breaker import FIRST_COOLDOWN
from mailer.smtp.relays import LimitsReached, Relays
from subscribers.kinds import SuppressionReason
from subscribers.models import Suppression
from tests.support.campaign import (
    counts,
    dispatch_for,
    draft,
    send,
    settings_for,
    settings_for_several,
    subscribe,
    unwatched,
)
from tests.support.faults import Fault, Point
from tests.support.relay import FaultyRelay, Mail

BUSY = {"providers": {"busy": {"domains": ["busy.example"], "per_second": 5}}}


class TimedRelay(FaultyRelay):
    """Notes when it took each mail."""

    def __init__(self, *plan: Any, **options: Any) -> None:
        super().__init__(*plan, pipelining=True, **options)
        self.moments: list[tuple[float, str]] = []

    def take(self, mail: Mail) -> None:
        self.moments.append((time.monotonic(), mail.recipient.rpartition("@")[2]))
        super().take(mail)

    def of(self, domain: str) -> list[float]:
        return [moment for moment, to in self.moments if to == domain]


def everyone_once(*relays: FaultyRelay) -> int:
    """How many were mailed; each of them once."""
    mailed = Counter(mail.recipient for relay in relays for mail in relay.accepted)
    assert set(mailed.values()) == {1}
    return len(mailed)


def keeps_to(moments: list[float], began: float, *, at_once: int, seconds: float) -> bool:
    """Whether the mails came no earlier than a limit allows: `at_once` in each period, counted from before the first.

    A slow machine only makes them later. So this holds on every machine, however long a mail is on its way. Two
    clocks take part, so `seconds` is a little less than the limit's.
    """
    return all(moment >= began + (number // at_once) * seconds for number, moment in enumerate(moments))


async def test_one_providers_limit_holds_up_nobody_else(database: Database) -> None:
    subscribe(database, 14, domain="busy.example")
    subscribe(database, 60)
    draft(database)
    async with TimedRelay() as relay:
        began = time.monotonic()
        tally = await send(dispatch_for(database, settings_for(relay.port, **BUSY)))
    assert (tally.error, tally.limited_until) == (None, None)
    assert counts(database).state is CampaignState.FINISHED
    assert everyone_once(relay) == 74
    busy, others = relay.of("busy.example"), relay.of("example.com")
    assert sum(moment > others[-1] for moment in busy) >= 9, "the others were let wait"
    assert keeps_to(busy, began, at_once=5, seconds=0.98)


async def test_a_run_waits_for_its_relays_pace_and_then_ends(database: Database) -> None:
    subscribe(database, 30)
    draft(database)
    async with TimedRelay() as relay:
        settings = settings_for(relay.port, smtp={"limits": {"per_second": 20}})
        tally = await send(dispatch_for(database, settings))
    assert (tally.error, tally.limited_until) == (None, None)
    assert everyone_once(relay) == 30
    assert relay.moments[-1][0] - relay.moments[0][0] > 1.2


async def test_a_limit_that_is_used_up_for_long_ends_the_run_and_frees_its_claims(database: Database) -> None:
    subscribe(database, 8)
    draft(database)
    async with TimedRelay() as relay:
        settings = settings_for(relay.port, smtp={"limits": {"per_hour": 5}})
        dispatch = dispatch_for(database, settings)
        tally = await send(dispatch)
        assert tally.limited_until is not None
        assert dispatch.due() == [], "cron would start a run that can send nothing"
    status = counts(database)
    assert (status.accepted, status.pending, status.in_flight) == (5, 3, 0)


async def test_a_run_that_waits_for_its_limits_stops_at_once_when_told_to(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 8)
    draft(sqlite_database)
    senders: list[Any] = []

    def watch(sender: Any) -> Any:
        senders.append(sender)
        return unwatched(sender)

    async with TimedRelay() as relay:
        dispatch = dispatch_for(sqlite_database, settings_for(relay.port, smtp={"limits": {"per_minute": 3}}))
        dispatch.start("notes")
        running = asyncio.create_task(dispatch.runs.run("notes", watch))
        await relay.taken(3)
        await asyncio.sleep(0.3)
        assert not running.done()
        senders[0].stop()
        await asyncio.wait_for(running, 60)
    assert counts(sqlite_database).pending == 5


async def test_no_more_mails_to_a_provider_are_in_flight_than_allowed(database: Database) -> None:
    subscribe(database, 6, domain="busy.example")
    subscribe(database, 20)
    draft(database)
    async with TimedRelay() as relay:
        relay.slowness = 0.1
        providers = {"busy": {"domains": ["busy.example"], "connections": 2}}
        began = time.monotonic()
        await send(dispatch_for(database, settings_for(relay.port, providers=providers)))
    assert everyone_once(relay) == 26
    assert keeps_to(relay.of("busy.example"), began, at_once=2, seconds=0.098)


@pytest.mark.parametrize("status", ["5.1.1", "5.1.2", "5.1.6", "5.1.10", "5.4.4"])
async def test_an_address_that_a_relay_does_not_know_is_suppressed(database: Database, status: str) -> None:
    subscribe(database, 2)
    draft(database)
    refusal = f"550 {status} No such user\r\n".encode()
    async with FaultyRelay(refuses={"person2@example.com": refusal}) as relay:
        await send(dispatch_for(database, settings_for(relay.port)))
    assert suppressed(database) == [SuppressionReason.BOUNCED]
    assert counts(database).rejected == 1
    draft(database, "next")
    async with FaultyRelay() as relay:
        await send(dispatch_for(database, settings_for(relay.port)), "next")
        assert [mail.recipient for mail in relay.accepted] == ["person1@example.com"]


@pytest.mark.parametrize(
    "refusal", [b"550 5.7.1 Policy\r\n", b"550 5.2.1 Disabled\r\n", b"452 4.2.2 Full\r\n"]
)
async def test_other_refusals_suppress_nobody(sqlite_database: Database, refusal: bytes) -> None:
    subscribe(sqlite_database, 1)
    draft(sqlite_database)
    async with FaultyRelay(refuses={"person1@example.com": refusal}) as relay:
        await send(dispatch_for(sqlite_database, settings_for(relay.port)))
    assert suppressed(sqlite_database) == []


def suppressed(database: Database) -> list[SuppressionReason]:
    with database.read() as connection:
        return list(connection.execute(select(table(Suppression).c.reason)).scalars())


async def test_when_one_relay_dies_in_mid_run_another_takes_the_rest(database: Database) -> None:
    subscribe(database, 400)
    draft(database)
    async with AsyncExitStack() as stack:
        a, b = [await stack.enter_async_context(FaultyRelay(pipelining=True)) for _ in range(2)]
        a.slowness = b.slowness = 0.005
        running = asyncio.create_task(send(dispatch_for(database, settings_for_several(a, b))))
        await a.taken(40)
        await a.__aexit__(None, None, None)
        tally = await asyncio.wait_for(running, 120)
    assert tally.error is None
    status = counts(database)
    assert status.accepted + status.uncertain == 400
    assert status.uncertain <= 4, "more than one a connection"
    assert status.accepted <= everyone_once(a, b) <= 400
    assert len(b.accepted) > 200


async def test_a_relay_that_was_never_there_costs_nothing_but_its_share(database: Database) -> None:
    subscribe(database, 100)
    draft(database)
    async with FaultyRelay() as gone:
        pass
    async with FaultyRelay(pipelining=True) as relay:
        tally = await send(dispatch_for(database, settings_for_several(gone, relay)))
    assert tally.error is None
    assert everyone_once(relay) == 100


async def test_nobody_waits_long_in_line_for_a_relay_that_does_not_answer(sqlite_database: Database) -> None:
    """All who wait for its first connection learn of its failure together, not one time-out after the other."""
    subscribe(sqlite_database, 100)
    draft(sqlite_database)
    silent = {"timeouts": {"greeting": 2}}
    async with FaultyRelay([{Point.GREETING: Fault.STALL}] * 50) as a, FaultyRelay(pipelining=True) as b:
        started = time.monotonic()
        tally = await send(dispatch_for(sqlite_database, settings_for_several(a, b, a=silent)))
    assert tally.error is None
    assert everyone_once(b) == 100
    assert time.monotonic() - started < 30  # it takes 2 to 3 seconds; one after the other it would be 100


@pytest.mark.parametrize("people", [1, 2])
@pytest.mark.parametrize("weight", [1, 3])
async def test_a_few_mails_do_not_wait_for_the_relay_that_does_not_greet(
    database: Database, people: int, weight: int
) -> None:
    subscribe(database, people)
    draft(database)
    async with FaultyRelay([{Point.GREETING: Fault.STALL}] * 10) as silent, FaultyRelay() as other:
        settings = settings_for_several(silent, other, a={"weight": weight})
        async with asyncio.timeout(30):  # a greeting may take five minutes
            await send(dispatch_for(database, settings))
    assert everyone_once(other) == people
    assert counts(database).state is CampaignState.FINISHED


async def test_what_one_relay_puts_off_another_takes_at_once(database: Database) -> None:
    subscribe(database, 40)
    draft(database)
    async with FaultyRelay([{Point.MAIL: Fault.LATER}] * 20) as a, FaultyRelay() as b:
        await send(dispatch_for(database, settings_for_several(a, b)))
    assert counts(database).accepted == 40
    assert everyone_once(a, b) == 40


async def test_mail_is_shared_out_by_weight(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 1200)
    draft(sqlite_database)
    async with FaultyRelay(pipelining=True) as a, FaultyRelay(pipelining=True) as b:
        await send(dispatch_for(sqlite_database, settings_for_several(a, b, a={"weight": 3})))
    assert everyone_once(a, b) == 1200
    assert 0.65 < len(a.accepted) / 1200 < 0.85


async def test_a_relay_at_its_limit_leaves_the_rest_to_the_other(database: Database) -> None:
    subscribe(database, 60)
    draft(database)
    async with FaultyRelay() as a, FaultyRelay() as b:
        tally = await send(dispatch_for(database, settings_for_several(a, b, a={"limits": {"per_hour": 7}})))
    assert (tally.error, tally.limited_until) == (None, None)
    assert (len(a.accepted), len(b.accepted)) == (7, 53)


async def test_a_run_sleeps_until_a_limit_opens_while_the_other_relays_are_away(
    sqlite_database: Database,
) -> None:
    subscribe(sqlite_database, 4)
    draft(sqlite_database)
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    async with FaultyRelay() as gone:
        pass
    async with FaultyRelay() as relay:
        dispatch = dispatch_for(
            sqlite_database, settings_for_several(relay, gone, a={"limits": {"per_second": 1}})
        )
        started = time.monotonic()
        event.listen(Engine, "before_cursor_execute", note)
        try:
            tally = await send(dispatch)
        finally:
            event.remove(Engine, "before_cursor_execute", note)
    assert tally.error is None
    assert everyone_once(relay) == 4
    assert time.monotonic() - started > 2
    assert len(statements) < 500  # asking all the time takes thousands


async def test_a_run_ends_where_a_limit_opens_in_hours_and_the_other_relays_stay_away(
    database: Database,
) -> None:
    subscribe(database, 30)
    draft(database)
    async with FaultyRelay() as gone, FaultyRelay() as never:
        pass
    async with FaultyRelay() as relay:
        dispatch = dispatch_for(
            database, settings_for_several(relay, gone, never, a={"limits": {"per_day": 5}}, b={"weight": 5})
        )
        tally = await asyncio.wait_for(send(dispatch), 60)
    assert tally.error is None
    assert tally.limited_until is not None
    assert tally.limited_until - datetime.now(UTC) > timedelta(hours=1)
    assert everyone_once(relay) == 5
    status = counts(database)
    assert (status.accepted, status.pending, status.in_flight) == (5, 25, 0)


@pytest.mark.parametrize(("longest", "gives_up"), [(900, True), (7200, False)])
async def test_it_waits_for_a_relay_that_is_away_as_long_as_it_waits_for_the_limit(
    longest: float, gives_up: bool
) -> None:
    async with FaultyRelay() as away:
        pass
    async with (
        FaultyRelay() as limited,
        Relays(settings_for_several(limited, away).every_relay, longest_wait=longest) as relays,
    ):
        for _ in range(20):
            async with relays.connection():
                pass
        relays.suspend("a", 3600)
        if not gives_up:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(_connections(relays)), 2 * FIRST_COOLDOWN)
            return
        with pytest.raises(LimitsReached):  # once b failed again when it was probed
            await asyncio.wait_for(anext(_connections(relays)), 10 * FIRST_COOLDOWN)
        assert relays.seconds_until_available() > 3000


async def test_a_relay_that_came_back_after_an_outage_of_all_may_be_at_its_limit_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mailer.smtp.breaker.FIRST_COOLDOWN", 0.2)
    monkeypatch.setattr("mailer.smtp.relays.RETRY_SECONDS", 0.5)
    async with FaultyRelay() as away, FaultyRelay() as gone:
        comes_back = FaultyRelay()
        comes_back.port = gone.port
    async with Relays(settings_for_several(comes_back, away).every_relay, longest_wait=900) as relays:
        with pytest.raises(RelayUnavailable):
            await anext(_connections(relays))
        await asyncio.sleep(1)
        async with comes_back, relays.connection() as connection:
            assert connection.relay == "a"
            relays.suspend("a", 3600)
        with pytest.raises(LimitsReached):
            await asyncio.wait_for(anext(_connections(relays)), 60)
        assert relays.seconds_until_available() > 3000


async def _connections(relays: Relays) -> AsyncIterator[str]:
    while True:
        async with relays.connection() as connection:
            yield connection.relay


@pytest.fixture
async def limited_and_away() -> AsyncIterator[tuple[Relays, FaultyRelay]]:
    """Relay a, which is up, and relay b, which is away and known to be so, with the server that it will be."""
    async with FaultyRelay() as b:
        pass
    comes_back = FaultyRelay()
    comes_back.port = b.port
    async with FaultyRelay() as a, Relays(settings_for_several(a, b).every_relay) as relays:
        for _ in range(20):  # until its three failures are known
            async with relays.connection():
                pass
        yield relays, comes_back


async def test_no_connection_is_given_to_a_relay_at_its_limit_while_the_other_is_away(
    limited_and_away: tuple[Relays, FaultyRelay],
) -> None:
    relays, _ = limited_and_away
    started = time.monotonic()
    relays.suspend("a", 1.0)
    assert 0.9 < relays.seconds_until_available() <= 1.0
    async with relays.connection() as connection:
        assert connection.relay == "a"
        assert time.monotonic() - started > 0.9


async def test_a_relay_that_comes_back_is_used_though_the_others_limit_is_far_off(
    limited_and_away: tuple[Relays, FaultyRelay],
) -> None:
    relays, comes_back = limited_and_away
    relays.suspend("a", 3600)
    assert 0.1 < relays.seconds_until_available() <= FIRST_COOLDOWN
    async with comes_back, relays.connection() as connection:
        assert connection.relay == "b"
        assert 0.05 < relays.seconds_until_available() < 0.2  # others look whether this probe has ended


async def test_a_relay_that_comes_back_gets_its_share_again(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.smtp.breaker.FIRST_COOLDOWN", 0.2)
    subscribe(sqlite_database, 600)
    draft(sqlite_database)
    async with FaultyRelay(pipelining=True) as b:
        b.slowness = 0.01
        async with FaultyRelay() as away:
            port = away.port
        a = FaultyRelay(pipelining=True)
        a.port = port
        settings = settings_for_several(a, b)
        running = asyncio.create_task(send(dispatch_for(sqlite_database, settings)))
        await b.taken(40)
        async with a:
            tally = await asyncio.wait_for(running, 120)
    assert tally.error is None
    assert everyone_once(a, b) == 600
    assert len(a.accepted) > 50


async def test_without_any_relay_nothing_is_lost(database: Database) -> None:
    subscribe(database, 5)
    draft(database)
    async with FaultyRelay() as a, FaultyRelay() as b:
        settings = settings_for_several(a, b)
    dispatch = dispatch_for(database, settings)
    tally = await send(dispatch)
    assert tally.error is not None
    assert counts(database).pending == 5
    assert dispatch.due() == ["notes"]


async def test_a_relay_may_have_a_sender_and_return_path_of_its_own(sqlite_database: Database) -> None:
    subscribe(sqlite_database, 120)
    draft(sqlite_database)
    own = {"sender": "Acme EU <news@eu.example.com>", "return_path": "bounces@eu.example.com"}
    async with FaultyRelay(pipelining=True) as a, FaultyRelay(pipelining=True) as b:
        await send(dispatch_for(sqlite_database, settings_for_several(a, b, b=own)))
    assert {mail.sender for mail in a.accepted} == {"news@example.com"}
    assert all(b"From: Acme <news@example.com>" in mail.content for mail in a.accepted)
    assert b.accepted
    assert all(mail.sender.startswith("bounces+") for mail in b.accepted)
    assert all(b"From: Acme EU <news@eu.example.com>" in mail.content for mail in b.accepted)
