"""The proxy counts how often a client waits for the relay."""

from __future__ import annotations

import asyncio

from benchmarks.delay_proxy import Line
from tests.support.relay import FaultyRelay

ENVELOPE = b"MAIL FROM:<news@example.com>\r\nRCPT TO:<person@example.org>\r\nDATA\r\n"
CONTENT = b"Subject: Release\r\n\r\nHello\r\n.\r\n"


async def round_trips(*turns: tuple[bytes, int]) -> int:
    """What the proxy counts while a client sends each turn, and waits for its number of replies before the next."""
    async with FaultyRelay(pipelining=True) as relay:
        line = Line(relay.port, 0.0)
        server = await asyncio.get_running_loop().create_server(line.accept, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            for sent, replies in ((b"", 1), (b"EHLO client\r\n", 1), *turns, (b"QUIT\r\n", 1)):
                writer.write(sent)
                for _ in range(replies):
                    while (await reader.readline())[3:4] == b"-":
                        pass
            writer.close()
            return line.round_trips


async def test_a_mail_on_its_own_takes_two() -> None:
    assert await round_trips((ENVELOPE, 3), (CONTENT, 1), (ENVELOPE, 3), (CONTENT, 1)) == 4


async def test_announced_envelopes_take_one_a_mail_and_one_for_the_first_of_a_connection() -> None:
    announced = CONTENT + ENVELOPE  # of three mails
    assert await round_trips((ENVELOPE, 3), (announced, 4), (announced, 4), (CONTENT, 1)) == 4
