"""The envelope of the next message travels with the content of the one before."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mailer.config import TimeoutSettings
from mailer.message import Content
from mailer.smtp import Accepted, Deferred, Envelope, Outcome, Rejected, Uncertain
from mailer.smtp.connection import Connection
from tests.support.faults import Fault, Point
from tests.support.loopback import in_clear, opened
from tests.support.relay import FaultyRelay

MESSAGE = b"Subject: Release 2.4\r\n\r\n.a dot\r\nthe end\r\n"
ANNA, BRAM, CAS = (Envelope("news@example.com", f"{name}@example.org") for name in ("anna", "bram", "cas"))
pytestmark = pytest.mark.timeout(60)


@asynccontextmanager
async def _connected(relay: FaultyRelay, **more: Any) -> AsyncIterator[Connection]:
    connection = await opened(in_clear(relay.port, **more))
    yield connection
    await connection.close()


async def _offer(
    connection: Connection, envelope: Envelope, announce: Envelope | None = None, *, allowed: bool = True
) -> Outcome:
    ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    connection.offer(envelope, Content.of(MESSAGE), ended.set_result, lambda: allowed, announce)
    return await ended


async def test_each_message_but_the_first_takes_one_round_trip() -> None:
    envelopes = [Envelope("news@example.com", f"person{number}@example.org") for number in range(20)]
    async with FaultyRelay(pipelining=True) as relay, _connected(relay) as connection:
        before = relay.round_trips
        for envelope, following in zip(envelopes, [*envelopes[1:], None], strict=True):
            assert isinstance(await _offer(connection, envelope, following), Accepted)
        assert relay.round_trips - before == 21
    assert [mail.recipient for mail in relay.accepted] == [envelope.recipient for envelope in envelopes]
    assert {mail.content for mail in relay.accepted} == {MESSAGE}
    assert relay.commands[-1] == b"QUIT"


@pytest.mark.parametrize("quota", [sys.maxsize, 100, 2])
async def test_after_the_last_message_that_a_connection_may_send_none_is_announced(quota: int) -> None:
    """Also where its limit is learnt from other connections while it is in use, or its quota goes beyond it."""
    async with FaultyRelay(pipelining=True) as relay, _connected(relay) as connection:
        connection.set_quota(quota)
        for is_last, envelope in ((False, ANNA), (True, BRAM)):
            connection.keep_to(in_clear(relay.port, messages_per_connection=2))
            assert connection.can_announce is not is_last
            await _offer(connection, envelope)
        assert not connection.usable


async def test_only_the_announced_message_may_follow() -> None:
    async with FaultyRelay(pipelining=True) as relay, _connected(relay) as connection:
        await _offer(connection, ANNA, BRAM)
        assert connection.announced == BRAM
        assert isinstance(await _offer(connection, CAS), Deferred)
        assert not connection.usable
    assert [mail.recipient for mail in relay.accepted] == ["anna@example.org"]


@pytest.mark.parametrize("way", ["drop", "close", "too late"])
async def test_an_announced_message_that_is_not_sent_leaves_nothing_with_the_relay(way: str) -> None:
    """No dot is sent: it would end an empty message, to somebody."""
    async with FaultyRelay(pipelining=True) as relay, _connected(relay) as connection:
        await _offer(connection, ANNA, BRAM)
        if way == "drop":
            connection.drop_announced()
        elif way == "close":
            await connection.close()
        else:
            assert isinstance(await _offer(connection, BRAM, allowed=False), Deferred)
        assert not connection.usable
        await asyncio.gather(*relay.open, return_exceptions=True)
    assert [mail.recipient for mail in relay.accepted] == ["anna@example.org"]
    assert len(relay.contents) == 1


@pytest.mark.parametrize("takes_empty_data", [False, True])
async def test_after_a_refused_announcement_the_connection_is_used_on(takes_empty_data: bool) -> None:
    refuses = {"bram@example.org": b"550 5.1.1 No such user\r\n"}
    async with (
        FaultyRelay(pipelining=True, refuses=refuses, takes_empty_data=takes_empty_data) as relay,
        _connected(relay) as connection,
    ):
        await _offer(connection, ANNA, BRAM)
        assert connection.refused is not None
        assert (connection.refused[0], type(connection.refused[1])) == (BRAM, Rejected)
        assert (connection.announced, connection.sent) == (None, 1)
        assert isinstance(await _offer(connection, CAS), Accepted)
    assert [mail.recipient for mail in relay.accepted] == ["anna@example.org", "cas@example.org"]
    assert relay.connections == 1


@pytest.mark.parametrize(
    ("offers", "settings", "can"),
    [
        ({"pipelining": True}, {}, True),
        ({"pipelining": True}, {"announce": False}, False),
        ({"pipelining": True}, {"messages_per_connection": 1}, False),
        ({"pipelining": True, "chunking": True}, {}, False),
        ({"pipelining": True, "chunking": True}, {"chunking": False}, True),
        ({}, {}, False),
    ],
)
async def test_an_envelope_is_announced_with_pipelining_and_without_chunking(
    offers: dict[str, Any], settings: dict[str, Any], can: bool
) -> None:
    async with FaultyRelay(**offers) as relay, _connected(relay, **settings) as connection:
        assert connection.can_announce == can


FAULTS = [
    (point, fault)
    for point in (Point.MAIL, Point.RCPT, Point.DATA, Point.CONTENT, Point.FINAL)
    for fault in Fault
    if point is not Point.CONTENT or fault not in {Fault.SPLIT, Fault.SEVERAL, Fault.EARLY}
]


async def test_whatever_goes_wrong_with_an_announced_message_the_one_before_stays_accepted() -> None:
    """And what may be offered again was not taken."""
    wrong = await asyncio.gather(*(_goes_wrong(point, fault) for point, fault in FAULTS))
    assert [problem for problem in wrong if problem] == []


async def _goes_wrong(point: Point, fault: Fault) -> str | None:
    limits = dict.fromkeys(TimeoutSettings.__struct_fields__, 20.0)
    if fault in {Fault.STALL, Fault.DRIP}:
        limits["final" if point is Point.CONTENT else point.value] = 0.3
    async with (
        FaultyRelay([{point: fault}], pipelining=True, spared=1) as relay,
        _connected(relay, timeouts=limits) as connection,
    ):
        first = await _offer(connection, ANNA, BRAM)
        refused = connection.refused
        second = refused[1] if refused is not None else await _offer(connection, BRAM)
    taken = [mail.recipient for mail in relay.accepted]
    problems = [
        f"the first is {first}" if not isinstance(first, Accepted) else "",
        "the relay took an empty message"
        if MESSAGE * len(relay.contents) != b"".join(relay.contents)
        else "",
        f"{second}, and not taken" if isinstance(second, Accepted) and BRAM.recipient not in taken else "",
        f"{second}, and taken" if not isinstance(second, Accepted | Uncertain) and len(taken) > 1 else "",
    ]
    return "; ".join(f"{fault} at {point}: {problem}" for problem in problems if problem) or None
