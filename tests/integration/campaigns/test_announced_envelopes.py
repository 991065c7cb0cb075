"""Whole runs in which the envelope of the next mail travels with the content of the one before.

Each relay here does something at the moment at which it has taken the first mail: it has the second envelope then, and
the gate has not been asked about that delivery.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from campaigns.deliveries import delivery
from campaigns.lifecycle import Act
from campaigns.sending import batches
from campaigns.states import CampaignState, DeliveryReason
from mailer.database import Database
from subscribers import rights
from subscribers.address import AddressHasher, normalise
from tests.support.campaign import (
    SECRET,
    counts,
    dispatch_for,
    draft,
    send,
    settings_for,
    subscribe,
    withdraw,
)
from tests.support.relay import FaultyRelay, Mail, Session

PEOPLE = 5
FIRST, SECOND = "person1@example.com", "person2@example.com"
ONE_CONNECTION = {"connections": 1}


class ActingRelay(FaultyRelay):
    """Calls `act` with each mail that it has taken, before it says so."""

    def __init__(self, act: Callable[[Mail], None], **options: Any) -> None:
        super().__init__(pipelining=True, **options)
        self.act = act

    def take(self, mail: Mail) -> None:
        super().take(mail)
        self.act(mail)

    @property
    def mailed(self) -> list[str]:
        return [mail.recipient for mail in self.accepted]

    def asked_for(self, address: str) -> int:
        """How often the address came in an envelope."""
        return sum(address.encode() in line for line in self.commands)


def when_first(act: Callable[[], object]) -> Callable[[Mail], None]:
    def act_once(mail: Mail) -> None:
        if mail.recipient == FIRST:
            act()

    return act_once


def nothing(_mail: Mail) -> None:
    """Only take it."""


async def test_each_mail_but_the_first_of_a_connection_takes_one_round_trip(database: Database) -> None:
    subscribe(database, 20)
    draft(database)
    async with ActingRelay(nothing) as relay:
        await send(dispatch_for(database, settings_for(relay.port, smtp=ONE_CONNECTION)))
        handshake_and_quit = 3
        assert relay.round_trips - handshake_and_quit == 21
    assert (counts(database).accepted, len(relay.mailed)) == (20, 20)


@pytest.mark.parametrize(
    "settings",
    [
        {"smtp": ONE_CONNECTION | {"announce": False}},
        {"smtp": ONE_CONNECTION | {"limits": {"per_hour": 1000}}},
        {"smtp": ONE_CONNECTION, "providers": {"x": {"domains": ["x.example"], "per_second": 5}}},
    ],
)
async def test_nothing_is_announced_where_limits_apply_or_the_settings_say_so(
    sqlite_database: Database, settings: dict[str, Any]
) -> None:
    subscribe(sqlite_database, 10)
    draft(sqlite_database)
    async with ActingRelay(nothing) as relay:
        await send(dispatch_for(sqlite_database, settings_for(relay.port, **settings)))
        assert relay.round_trips >= 20
    assert counts(sqlite_database).accepted == 10


async def test_who_withdraws_after_the_envelope_was_announced_gets_nothing(database: Database) -> None:
    people = subscribe(database, PEOPLE)
    draft(database)
    async with ActingRelay(when_first(lambda: withdraw(database, people[1]))) as relay:
        await send(dispatch_for(database, settings_for(relay.port, smtp=ONE_CONNECTION)))
    status = counts(database)
    assert (status.accepted, status.withheld, status.state) == (4, 1, CampaignState.FINISHED)
    assert SECOND not in relay.mailed
    assert len(relay.contents) == len(set(relay.mailed)) == 4
    assert (relay.asked_for(SECOND), relay.connections) == (1, 2)


async def test_who_has_withdrawn_before_is_not_announced(database: Database) -> None:
    people = subscribe(database, PEOPLE)
    draft(database)
    dispatch = dispatch_for(database, settings_for(25))
    dispatch.start("notes")
    withdraw(database, people[1])
    async with ActingRelay(nothing) as relay:
        await send(dispatch_for(database, settings_for(relay.port, smtp=ONE_CONNECTION)))
    assert (relay.asked_for(SECOND), relay.connections) == (0, 1)
    assert (counts(database).accepted, counts(database).withheld) == (4, 1)


async def test_when_many_withdraw_at_once_nothing_is_announced_any_more(sqlite_database: Database) -> None:
    people = subscribe(sqlite_database, 12)
    draft(sqlite_database)

    def withdraw_next(mail: Mail) -> None:
        number = int(mail.recipient.removeprefix("person").partition("@")[0])
        withdraw(sqlite_database, people[number])

    async with ActingRelay(withdraw_next) as relay:
        await send(dispatch_for(sqlite_database, settings_for(relay.port, smtp=ONE_CONNECTION)))
    assert (counts(sqlite_database).accepted, counts(sqlite_database).withheld) == (6, 6)
    assert len(relay.contents) == 6
    assert relay.connections == 3


@pytest.mark.parametrize(
    ("refusal", "state"),
    [(b"550 5.1.1 No such user\r\n", "rejected"), (b"450 4.2.0 Greylisted\r\n", "deferred")],
)
@pytest.mark.parametrize("takes_empty_data", [False, True])
async def test_a_recipient_that_is_refused_when_announced_is_recorded_after_the_gate(
    database: Database, refusal: bytes, state: str, takes_empty_data: bool
) -> None:
    subscribe(database, PEOPLE)
    draft(database)
    refuses = {SECOND: refusal}
    async with ActingRelay(nothing, refuses=refuses, takes_empty_data=takes_empty_data) as relay:
        await send(dispatch_for(database, settings_for(relay.port, smtp=ONE_CONNECTION)))
    status = counts(database)
    assert (status.accepted, getattr(status, state)) == (4, 1)
    assert (relay.asked_for(SECOND), relay.connections) == (1, 1)
    assert len(relay.mailed) == 4
    assert _reasons(database) == {None: 4, DeliveryReason.ANNOUNCED: 1}


async def test_a_recipient_that_is_refused_and_has_withdrawn_is_withheld(database: Database) -> None:
    people = subscribe(database, PEOPLE)
    draft(database)
    act = when_first(lambda: withdraw(database, people[1]))
    async with ActingRelay(act, refuses={SECOND: b"550 5.1.1 No such user\r\n"}) as relay:
        await send(dispatch_for(database, settings_for(relay.port, smtp=ONE_CONNECTION)))
    status = counts(database)
    assert (status.accepted, status.withheld, status.rejected) == (4, 1, 0)


async def test_an_address_that_has_changed_since_it_was_announced_gets_its_own_envelope(
    database: Database,
) -> None:
    subscribe(database, PEOPLE)
    draft(database)

    def rectify() -> None:
        correction = rights.Correction(email=normalise("new@example.com"))
        hasher, now = AddressHasher([SECRET.encode()]), database.clock()()
        with database.write() as connection:
            rights.rectify(connection, normalise(SECOND), correction, hasher=hasher, source="x", now=now)

    async with ActingRelay(when_first(rectify)) as relay:
        await send(dispatch_for(database, settings_for(relay.port, smtp=ONE_CONNECTION)))
    assert counts(database).accepted == PEOPLE
    assert SECOND not in relay.mailed
    assert relay.mailed.count("new@example.com") == 1
    assert relay.connections == 2


@pytest.mark.parametrize("act", [Act.PAUSE, Act.CANCEL])
async def test_an_announced_mail_of_a_campaign_that_is_paused_or_cancelled_is_not_sent(
    database: Database, act: Act
) -> None:
    subscribe(database, PEOPLE)
    draft(database)
    dispatch = dispatch_for(database, settings_for(25))
    async with ActingRelay(when_first(lambda: dispatch.act("notes", act))) as relay:
        await send(dispatch_for(database, settings_for(relay.port, smtp=ONE_CONNECTION)))
    assert relay.mailed == [FIRST]
    assert len(relay.contents) == 1
    status = counts(database)
    assert (status.accepted, status.pending + status.cancelled) == (1, PEOPLE - 1)


async def test_a_relay_is_not_held_while_the_database_is_locked(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MAX_HELD", 0.05)
    subscribe(sqlite_database, PEOPLE)
    draft(sqlite_database)
    locked, closed = threading.Event(), threading.Event()

    def lock() -> None:
        with sqlite_database.write():
            locked.set()
            closed.wait(30)

    def begin() -> None:
        threading.Thread(target=lock).start()
        locked.wait(30)

    class Watched(Session):
        async def context(self) -> None:
            await super().context()
            closed.set()

    async with ActingRelay(when_first(begin)) as relay:
        relay.session_class = Watched
        await send(dispatch_for(sqlite_database, settings_for(relay.port, smtp=ONE_CONNECTION)))
        assert closed.is_set()
    assert relay.connections == 2, "the relay was let wait for the content"
    assert counts(sqlite_database).accepted == PEOPLE
    assert len(relay.contents) == len(set(relay.mailed)) == PEOPLE


def _reasons(database: Database) -> dict[DeliveryReason | None, int]:
    with database.read() as connection:
        found = list(connection.execute(select(delivery.c.reason)).scalars())
    return {reason: found.count(reason) for reason in set(found)}
