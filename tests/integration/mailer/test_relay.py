"""The relay as a pool: how many connections there are, how long each lives, and what if there is none."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable

import pytest

from mailer.config import RelaySettings
from mailer.message import Content
from mailer.smtp import Accepted, ConnectionFailed, Deferred, Envelope
from mailer.smtp.pool import RelayPool
from tests.support.faults import Fault, Point
from tests.support.loopback import free_port, in_clear, with_login
from tests.support.relay import FaultyRelay

CONTENT = Content.of(b"Subject: Release 2.4\r\n\r\nthe end\r\n")
pytestmark = pytest.mark.timeout(60)


async def _until(happened: Callable[[], bool]) -> None:
    while not happened():  # noqa: ASYNC110 - nothing there could set an Event
        await asyncio.sleep(0.01)


async def _send_all(relay: RelayPool, count: int, workers: int) -> list[type]:
    """What a sender does: as many workers as it likes, of which the relay lets some at a time have a connection."""
    numbers, outcomes = iter(range(count)), []

    async def work() -> None:
        while True:
            async with relay.connection() as connection:
                while connection.usable:
                    if (number := next(numbers, None)) is None:
                        return
                    envelope = Envelope("news@example.com", f"p{number}@example.org")
                    outcomes.append(type(await connection.send(envelope, CONTENT)))

    await asyncio.gather(*(work() for _ in range(workers)))
    return outcomes


async def test_many_workers_send_everything_once() -> None:
    async with (
        FaultyRelay(pipelining=True) as server,
        RelayPool(in_clear(server.port, connections=8)) as relay,
    ):
        outcomes = await _send_all(relay, 400, workers=8)
    assert outcomes == [Accepted] * 400
    assert len({mail.recipient for mail in server.accepted}) == len(server.accepted) == 400
    assert server.connections <= 8


async def test_a_connection_is_replaced_after_messages_per_connection() -> None:
    async with (
        FaultyRelay() as server,
        RelayPool(in_clear(server.port, connections=1, messages_per_connection=10)) as relay,
    ):
        await _send_all(relay, 35, workers=1)
    assert server.connections == 4
    assert server.commands.count(b"QUIT") == 4


async def test_a_connection_is_replaced_after_it_was_idle() -> None:
    async with FaultyRelay() as server, RelayPool(in_clear(server.port, idle_seconds=0.2)) as relay:
        await _send_all(relay, 1, workers=1)
        await asyncio.sleep(0.7)
        assert server.commands.count(b"QUIT") == 1
        await _send_all(relay, 1, workers=1)
    assert server.connections == 2


async def test_an_open_connection_is_used_again() -> None:
    async with FaultyRelay() as server, RelayPool(in_clear(server.port)) as relay:
        await _send_all(relay, 1, workers=1)
        await _send_all(relay, 1, workers=1)
    assert server.connections == 1


async def test_no_more_connections_are_open_than_the_relay_serves() -> None:
    async with (
        FaultyRelay(pipelining=True, most_connections=2) as server,
        RelayPool(in_clear(server.port, connections=10)) as relay,
    ):
        outcomes = await _send_all(relay, 300, workers=10)
        assert relay._concurrency.limit == 2
    assert outcomes == [Accepted] * 300


async def test_a_421_lowers_the_number_of_connections() -> None:
    plan = [{}, {}, {Point.MAIL: Fault.CLOSING}, {Point.MAIL: Fault.CLOSING}]
    async with (
        FaultyRelay(plan, pipelining=True) as server,
        RelayPool(in_clear(server.port, connections=4)) as relay,
    ):
        outcomes = await _send_all(relay, 100, workers=4)
        assert relay._concurrency.limit == 2
    assert (outcomes.count(Accepted), outcomes.count(Deferred)) == (98, 2)


async def test_a_relay_that_is_away_is_unavailable_after_a_bounded_time() -> None:
    async with RelayPool(in_clear(free_port()), retry_seconds=0.5) as relay:
        with pytest.raises(ConnectionFailed, match="can't be reached: Connection refused") as caught:
            async with asyncio.timeout(20):
                await _send_all(relay, 1, workers=20)
    assert caught.value.exit_code == 75


async def test_one_connection_goes_ahead_while_there_is_none() -> None:
    async with (
        FaultyRelay([{Point.GREETING: Fault.STALL}]) as server,
        RelayPool(in_clear(server.port, connections=10)) as relay,
    ):
        sending = asyncio.create_task(_send_all(relay, 10, workers=10))
        await _until(lambda: server.connections > 0)
        await asyncio.sleep(0.1)
        assert server.connections == 1
        sending.cancel()


async def test_the_time_limit_begins_anew_each_time_that_the_relay_goes_away() -> None:
    gone = {Point.GREETING: Fault.HANG_UP}
    async with (
        FaultyRelay([gone, {}, {}, gone]) as server,
        RelayPool(in_clear(server.port, messages_per_connection=1), retry_seconds=1) as relay,
    ):
        assert await _send_all(relay, 1, workers=1) == [Accepted]
        await asyncio.sleep(1.1)
        assert await _send_all(relay, 1, workers=1) == [Accepted]


async def test_a_relay_that_comes_back_in_time_gets_the_mail() -> None:
    server = FaultyRelay()
    server.port = free_port()
    async with RelayPool(in_clear(server.port), retry_seconds=30) as relay:
        sending = asyncio.create_task(_send_all(relay, 5, workers=2))
        await asyncio.sleep(0.3)
        async with server:
            assert await sending == [Accepted] * 5


async def test_wrong_credentials_are_not_tried_again_and_again() -> None:
    async with (
        FaultyRelay(login=("mailer", "correct horse")) as server,
        RelayPool(with_login(server.port, password="wrong", security="none"), retry_seconds=30) as relay,
    ):
        with pytest.raises(ConnectionFailed, match="refused the login"):
            await _send_all(relay, 1, workers=1)
    assert server.connections == 1


async def test_a_host_name_that_nobody_knows_is_unavailable() -> None:
    settings = RelaySettings(host="relay.invalid", security="none")
    async with RelayPool(settings, retry_seconds=0.1) as relay:
        with pytest.raises(ConnectionFailed, match="can't be reached"):
            await _send_all(relay, 1, workers=1)


async def test_where_no_more_files_may_be_open_the_limit_is_named_instead_of_the_relay() -> None:
    async with RelayPool(in_clear(free_port()), retry_seconds=0.1) as relay:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
        try:
            with pytest.raises(ConnectionFailed, match="The limit of open files is reached") as caught:
                await _send_all(relay, 1, workers=1)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert caught.value.hint is not None
    assert "LimitNOFILE" in caught.value.hint


async def test_an_address_of_a_family_that_this_machine_lacks_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FaultyRelay() as server, RelayPool(in_clear(server.port), retry_seconds=0.1) as relay:
        usual = socket.getaddrinfo("127.0.0.1", server.port, type=socket.SOCK_STREAM)
        no_kernel_has_it = (socket.AF_DECnet, socket.SOCK_STREAM, 0, "", ("::1", server.port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [no_kernel_has_it, *usual])
        assert await _send_all(relay, 1, workers=1) == [Accepted]
