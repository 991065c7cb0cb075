"""A relay, or someone on the way to it, that is out to harm us."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop

from mailer.smtp import ConnectionFailed
from tests.support.certificates import loopback_certificates
from tests.support.loopback import opened, with_login

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OFFER = b"250-relay\r\n250 STARTTLS\r\n"


async def test_replies_put_in_before_tls_are_not_taken_for_the_relays_own() -> None:
    """CVE-2011-0411 and similar: an attacker on the network adds a reply, which would be read after the handshake."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 relay\r\n")
        await reader.readline()
        writer.write(OFFER)
        await reader.readline()
        writer.write(b"220 go ahead\r\n250-forged\r\n250 AUTH PLAIN\r\n")
        await writer.start_tls(loopback_certificates().server_context())
        await reader.readline()
        writer.write(b"250 relay\r\n")
        assert await reader.readline() == b""

    async with _playing(play) as port:
        with pytest.raises(ConnectionFailed, match="offers no login"):
            await opened(with_login(port))


@pytest.mark.parametrize("size", ["9" * 5000, "-1", "1e9", "0x10", "\u0665"])
async def test_a_size_that_makes_no_sense_is_none(size: str) -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 relay\r\n")
        await reader.readline()
        writer.write(f"250-relay\r\n250 SIZE {size}\r\n".encode())
        await reader.read()

    async with _playing(play) as port:
        connection = await opened(with_login(port, security="none", username=None, password=None))
        assert connection.capabilities.size is None
        await connection.close()


@pytest.mark.parametrize("form", ["{password}", "\0mailer\0{password}"])
async def test_a_relay_that_repeats_the_password_does_not_bring_it_into_a_message(form: str) -> None:
    said = form.format(password="correct horse")
    said = said if said.isprintable() else b64encode(said.encode()).decode()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 relay\r\n")
        await reader.readline()
        writer.write(b"250-relay\r\n250 AUTH PLAIN\r\n")
        await reader.readline()
        writer.write(f"535 5.7.8 {said} is not your password\r\n".encode())
        await reader.read()

    async with _playing(play) as port:
        with pytest.raises(ConnectionFailed) as caught:
            await opened(with_login(port, security="none"))
    assert "refused the login" in caught.value.message
    assert "is not your password" in caught.value.message
    assert said not in caught.value.message


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("greeting", [b"", b"554 5.7.1 Not you\r\n"], ids=["silent", "refuses"])
def test_a_relay_that_does_not_take_leave_keeps_no_connection_open(greeting: bytes, loop: str) -> None:
    """With TLS the other side is asked to take leave too, for which asyncio and uvloop wait half a minute."""
    left = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with loopback_certificates().server_context().wrap_socket(connection, server_side=True) as encrypted:
            encrypted.sendall(greeting)
            with socket.socket(fileno=os.dup(encrypted.fileno())) as raw, suppress(ConnectionError):
                while raw.recv(4096):
                    pass
            left.set()

    async def fail(port: int) -> bool:
        with pytest.raises(ConnectionFailed):
            await opened(with_login(port, security="tls", timeouts={"greeting": 0.5}))
        return await asyncio.to_thread(left.wait, 10)

    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        asyncio.Runner(loop_factory=LOOPS[loop]) as runner,
    ):
        serving = threading.Thread(target=serve, args=(listener,))
        serving.start()
        assert runner.run(fail(listener.getsockname()[1]))
    serving.join()


@asynccontextmanager
async def _playing(play: Play) -> AsyncIterator[int]:
    """The port of a relay that plays `play` with each client."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await play(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
