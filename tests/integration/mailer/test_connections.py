"""`mailer serve` under connections that send nothing, headers without end, and proxies that speak for many."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from ipaddress import ip_network
from typing import Any

import pytest
import uvicorn

from mailer.config import ServeSettings
from mailer.config.reading import read_section
from mailer.web_server import BoundedProtocol, ConnectionLimits, raise_file_limit
from mailer.web_server.sockets import listen

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"


async def answer(scope: Any, receive: Any, send: Any) -> None:
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving(*trusted: str, app: Any = answer, **limits_set: float) -> AsyncIterator[int]:
    raise_file_limit()
    settings = read_section(limits_set, ServeSettings)
    limits = ConnectionLimits([ip_network(one) for one in trusted], settings)
    with listen("0.0.0.0", 0) as listener:  # noqa: S104 - 127.0.0.1 and 127.0.0.2
        config = uvicorn.Config(
            app,
            http=partial(BoundedProtocol, limits),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve([listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn signals no event
            await asyncio.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = server.force_exit = True
            await running


async def ask(port: int, request: bytes, source: str = "127.0.0.1") -> bytes:
    """Everything that the server answers to `request` until it closes, or b"" where it resets."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@contextmanager
def half_open(port: int, count: int, sent: bytes = GET) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        opened = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            for _ in range(count)
        ]
        for one in opened:
            with suppress(ConnectionError):  # it was closed for another one
                one.send(sent)
        yield opened


WHOLE = GET + b"Connection: close\r\n\r\n"


@pytest.mark.parametrize("trusted", [[], ["127.0.0.1"]], ids=["visitors", "a proxy"])
async def test_a_visitor_is_answered_in_under_a_second_while_another_address_holds_1100_connections(
    trusted: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "mailer.web")
    async with serving(*trusted) as port:
        opened = await asyncio.to_thread(half_open(port, 1_100).__enter__)
        start = asyncio.get_running_loop().time()
        answered = await ask(port, WHOLE, "127.0.0.2")
        assert answered.endswith(b"ok")
        assert asyncio.get_running_loop().time() - start < 1
        assert (await ask(port, WHOLE)).endswith(b"ok")  # also one of the same address
        for one in opened:
            one.close()
    assert [record.message for record in caplog.records if "too many connections" in record.message] == [
        "There are too many connections. Connections that send no request are closed."
    ]


async def test_a_request_that_is_being_answered_is_never_closed_for_others() -> None:
    release = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await release.wait()
        await answer(scope, receive, send)

    async with serving(max_connections=20, app=slow) as port:
        asked = asyncio.create_task(ask(port, WHOLE))
        await asyncio.sleep(0.1)
        opened = await asyncio.to_thread(half_open(port, 60).__enter__)
        release.set()
        assert (await asked).endswith(b"ok")
        for one in opened:
            one.close()


@pytest.mark.parametrize(
    "sent",
    [
        GET + b"X: " + b"x" * 200_000,
        GET + b"".join(b"X-%d: y\r\n" % number for number in range(30_000)),
        b"GET /" + b"x" * 200_000,
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n" + b"X: y\r\n" * 40_000,
        POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 200_000,
    ],
    ids=["one header", "many headers", "the address", "trailers", "an extension of a chunk"],
)
async def test_headers_without_end_are_cut_off_and_memory_stays_flat(sent: bytes) -> None:
    async with serving() as port:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(20):
            answered = await ask(port, sent)
            assert b" 200 " not in answered
        # In kilobytes; 4 MB were sent.
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8_000
        assert (await ask(port, WHOLE)).endswith(b"ok")


async def test_headers_that_come_whole_and_are_too_large_are_answered_431() -> None:
    async with serving() as port:
        assert b" 431 " in await ask(port, GET + b"X: " + b"x" * 17_000 + b"\r\n\r\n")
        assert (await ask(port, GET + b"X: " + b"x" * 15_000 + b"\r\nConnection: close\r\n\r\n")).endswith(
            b"ok"
        )


async def test_a_large_body_is_no_header() -> None:
    body = b"Content-Length: 500000\r\nConnection: close\r\n\r\n" + b"x" * 500_000
    async with serving() as port:
        assert (await ask(port, POST + body)).endswith(b"ok")


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("header_seconds", b""),
        ("header_seconds", GET),
        ("header_seconds", GET + b"\r\n" + GET),
        ("body_seconds", POST + b"Content-Length: 9\r\n\r\nx"),
    ],
    ids=["nothing", "a begun request", "a second one", "a begun body"],
)
async def test_what_does_not_come_in_time_is_closed(name: str, sent: bytes) -> None:
    async with serving(**{name: 0.2}) as port, asyncio.timeout(8):  # the other bounds are 10 seconds and more
        await ask(port, sent)


class TestProxies:
    @pytest.mark.parametrize("greedy_address", [b"192.0.2.1, 10.0.0.7", b"192.0.2.1:%d, 10.0.0.7"])
    async def test_one_address_behind_a_proxy_is_bounded_and_the_others_are_answered(
        self, greedy_address: bytes
    ) -> None:
        release = asyncio.Event()

        async def slow(scope: Any, receive: Any, send: Any) -> None:
            await release.wait()
            await answer(scope, receive, send)

        def request(address: bytes) -> bytes:
            return GET + b"X-Forwarded-For: " + address + b"\r\nConnection: close\r\n\r\n"

        async with serving("127.0.0.1", "10.0.0.0/8", app=slow, max_per_address=3) as port:
            greedy = [
                asyncio.create_task(ask(port, request(greedy_address.replace(b"%d", b"%d" % number))))
                for number in range(8)
            ]
            await asyncio.sleep(0.3)
            other = asyncio.create_task(ask(port, request(b"192.0.2.1, 192.0.2.9")))
            none = [asyncio.create_task(ask(port, WHOLE)) for _ in range(8)]
            await asyncio.sleep(0.3)
            release.set()
            answers = await asyncio.gather(*greedy)
            assert sum(one.endswith(b"ok") for one in answers) == 3
            assert sum(b" 429 " in one for one in answers) == 5
            assert (await other).endswith(b"ok")
            assert all(one.endswith(b"ok") for one in await asyncio.gather(*none))
            assert (await ask(port, request(b"192.0.2.1"))).endswith(b"ok")  # nothing stays counted

    async def test_a_stranger_names_no_address(self) -> None:
        limits = ConnectionLimits([ip_network("10.0.0.0/8")])
        assert limits.trusts("10.1.2.3")
        assert limits.trusts("::ffff:10.1.2.3")
        assert limits.trusts("")  # a Unix socket
        assert not limits.trusts("192.0.2.1")
        assert not limits.trusts("unknown")
