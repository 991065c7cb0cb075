"""A relay that takes so many messages a connection, and says so in one of the ways that relays have."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mailer.message import Content
from mailer.smtp import Accepted, Deferred, Envelope, FailureScope, Outcome, Phase
from mailer.smtp.pool import RelayPool
from tests.support.loopback import in_clear, opened
from tests.support.relay import FaultyRelay, Session

CONTENT = Content.of(b"Subject: Release 2.4\r\n\r\nthe end\r\n")
EXTENSIONS = [{}, {"pipelining": True}, {"chunking": True}, {"pipelining": True, "chunking": True}]
FULL = [
    b"452 4.5.3 Too many messages sent\r\n",  # OpenSMTPD
    b"450 4.7.1 Too much mail on this connection\r\n",
    b"421 4.7.0 Too many messages in this connection\r\n",  # Exim
]


def _envelope(number: int) -> Envelope:
    return Envelope("news@example.com", f"p{number}@example.org")


async def _send_all(pool: RelayPool, count: int) -> list[Outcome]:
    """Send `count` messages; what only a connection did not take goes by another one."""
    waiting, outcomes = list(range(count)), []

    async def work() -> None:
        while waiting:
            async with pool.connection() as connection:
                while connection.usable and waiting:
                    number = waiting.pop(0)
                    outcome = await connection.send(_envelope(number), CONTENT)
                    if isinstance(outcome, Deferred) and outcome.scope is FailureScope.CONNECTION:
                        waiting.append(number)
                    outcomes.append(outcome)

    await asyncio.gather(*(work() for _ in range(pool._settings.connections)))
    return outcomes


def _full(outcomes: list[Outcome]) -> int:
    return sum(isinstance(one, Deferred) and one.scope is FailureScope.CONNECTION for one in outcomes)


@pytest.mark.parametrize("reply", FULL, ids=["452", "450", "421"])
@pytest.mark.parametrize("extensions", EXTENSIONS, ids=["plain", "pipelining", "chunking", "both"])
async def test_everything_is_sent_once_in_one_go(extensions: dict[str, Any], reply: bytes) -> None:
    async with FaultyRelay(most_messages=10, **extensions) as relay:
        relay.full_reply = reply
        async with RelayPool(in_clear(relay.port, connections=4)) as pool:
            outcomes = await _send_all(pool, 200)
            assert pool._concurrency.limit == 4  # a full connection says nothing about how many there may be
    assert len({mail.recipient for mail in relay.accepted}) == len(relay.accepted) == 200
    assert _full(outcomes) == len(outcomes) - 200


async def test_what_two_connections_met_all_others_keep_to() -> None:
    async with (
        FaultyRelay(pipelining=True, most_messages=10) as relay,
        RelayPool(in_clear(relay.port, connections=1)) as pool,
    ):
        outcomes = await _send_all(pool, 100)
    assert _full(outcomes) == 2
    assert relay.connections == 10


async def test_a_whim_of_one_connection_is_not_taken_for_a_limit() -> None:
    async with (
        FaultyRelay(pipelining=True, most_messages=1) as relay,
        RelayPool(in_clear(relay.port, connections=1)) as pool,
    ):
        first = await _send_all(pool, 2)
        relay.most_messages = None
        await _send_all(pool, 50)
    assert _full(first) == 1
    assert relay.connections == 2


@pytest.mark.parametrize("limits", [b"MAILMAX=7", b"RCPTMAX=1 MAILMAX=7 RCPTDOMAINMAX=1", b"mailmax=7"])
async def test_a_limit_that_the_relay_states_is_kept_to_from_the_first_connection(limits: bytes) -> None:
    async with (
        FaultyRelay(pipelining=True, most_messages=7, limits=limits) as relay,
        RelayPool(in_clear(relay.port, connections=1)) as pool,
    ):
        outcomes = await _send_all(pool, 21)
    assert (_full(outcomes), relay.connections) == (0, 3)


@pytest.mark.parametrize("limits", [b"MAILMAX=0", b"MAILMAX=", b"MAILMAX=many", b"XMAILMAX=3", b"MAILMAX=-1"])
async def test_a_stated_limit_that_makes_no_sense_is_none(limits: bytes) -> None:
    async with FaultyRelay(limits=limits) as relay:
        connection = await opened(in_clear(relay.port))
        assert connection.capabilities.mailmax is None
        await connection.close()


async def test_a_4yz_to_the_first_message_of_a_connection_is_the_relays() -> None:
    async with FaultyRelay(most_messages=0) as relay:
        connection = await opened(in_clear(relay.port))
        outcome = await connection.send(_envelope(1), CONTENT)
        assert isinstance(outcome, Deferred)
        assert (outcome.phase, outcome.scope) == (Phase.MAIL, FailureScope.RELAY)
        assert connection.usable
        await connection.close()


@pytest.mark.parametrize(
    "reply",
    [
        b"500 5.5.2 Unrecognized\r\n",
        b"502 5.5.1 BDAT not implemented\r\n",
        b"503 No\r\n",
        b"504 5.5.4 No\r\n",
    ],
)
@pytest.mark.parametrize("pipelining", [False, True])
async def test_a_relay_that_refuses_bdat_gets_data_from_then_on(reply: bytes, pipelining: bool) -> None:
    async with (
        FaultyRelay(pipelining=pipelining, chunking=True, refuses_bdat=reply) as relay,
        RelayPool(in_clear(relay.port, connections=1)) as pool,
    ):
        outcomes = await _send_all(pool, 20)
    assert [type(one) for one in outcomes] == [Deferred] + [Accepted] * 20
    assert len(relay.accepted) == 20
    assert sum(command.startswith(b"BDAT") for command in relay.commands) == 1


async def test_connections_that_are_open_hear_of_it() -> None:
    async with (
        FaultyRelay(pipelining=True, chunking=True, refuses_bdat=b"502 5.5.1 No BDAT\r\n") as relay,
        RelayPool(in_clear(relay.port, connections=2)) as pool,
        pool.connection() as other,
    ):
        async with pool.connection() as first:
            assert isinstance(await first.send(_envelope(1), CONTENT), Deferred)
        assert isinstance(await other.send(_envelope(1), CONTENT), Accepted)


async def test_a_connection_that_is_being_opened_hears_of_it() -> None:
    greet = asyncio.Event()

    class Late(Session):
        async def converse(self) -> None:
            await greet.wait()
            await super().converse()

    async with (
        FaultyRelay(pipelining=True, chunking=True, refuses_bdat=b"502 5.5.1 No BDAT\r\n") as relay,
        RelayPool(in_clear(relay.port, connections=2)) as pool,
    ):

        async def send() -> Outcome:
            async with pool.connection() as connection:
                return await connection.send(_envelope(1), CONTENT)

        async with pool.connection() as first:
            relay.session_class = Late
            second = asyncio.create_task(send())
            while relay.connections < 2:  # noqa: ASYNC110 - nothing says so
                await asyncio.sleep(0.01)
            assert isinstance(await first.send(_envelope(0), CONTENT), Deferred)
        greet.set()
        assert isinstance(await second, Accepted)


async def test_a_refusal_of_the_message_after_bdat_is_no_refusal_of_bdat() -> None:
    refused = {"p1@example.org": b"550 5.7.1 Not this one\r\n"}
    async with (
        FaultyRelay(pipelining=True, chunking=True, refuses_content=refused) as relay,
        RelayPool(in_clear(relay.port, connections=1)) as pool,
    ):
        await _send_all(pool, 5)
    assert len(relay.accepted) == 4
    assert not any(command == b"DATA" for command in relay.commands)


async def test_chunking_can_be_switched_off() -> None:
    async with FaultyRelay(pipelining=True, chunking=True) as relay:
        connection = await opened(in_clear(relay.port, chunking=False))
        assert isinstance(await connection.send(_envelope(1), CONTENT), Accepted)
        await connection.close()
    assert b"DATA" in relay.commands
