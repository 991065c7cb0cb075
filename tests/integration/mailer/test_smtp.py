"""Sending to real SMTP servers on loopback: the tests' own relay and aiosmtpd."""

from __future__ import annotations

import asyncio
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from mailer.config import TimeoutSettings
from mailer.errors import ConfigurationError
from mailer.message import Content
from mailer.smtp import (
    Accepted,
    ConnectionFailed,
    Deferred,
    Envelope,
    FailureScope,
    Phase,
    Rejected,
    Uncertain,
)
from mailer.smtp.connection import Connection
from mailer.smtp.pool import RelayPool
from tests.support.certificates import loopback_certificates
from tests.support.faults import Fault, Point
from tests.support.loopback import free_port, in_clear, opened, with_login
from tests.support.relay import FaultyRelay

ENVELOPE = Envelope("news@example.com", "anna@example.org")
MESSAGE = b"Subject: Release 2.4\r\n\r\n.a dot\r\n..two\r\n\r\nthe end\r\n"
CONTENT = Content.of(MESSAGE)
MODES = {
    "chunking+pipelining": ({"chunking": True, "pipelining": True}, 1),
    "pipelining": ({"pipelining": True}, 2),
    "chunking": ({"chunking": True}, 3),
    "plain": ({}, 4),
}
pytestmark = pytest.mark.timeout(60)
modes = pytest.mark.parametrize(("offers", "round_trips"), MODES.values(), ids=MODES)


@asynccontextmanager
async def _connected(relay: FaultyRelay, **more: Any) -> AsyncIterator[Connection]:
    connection = await opened(in_clear(relay.port, **more))
    yield connection
    await connection.close()


async def _until(happened: Callable[[], bool]) -> None:
    while not happened():  # noqa: ASYNC110 - nothing there could set an Event
        await asyncio.sleep(0.01)


# -- one connection ----------------------------------------------------------------------------------------------


@modes
async def test_a_message_arrives_byte_for_byte(offers: dict[str, Any], round_trips: int) -> None:
    async with FaultyRelay(**offers) as relay, _connected(relay) as connection:
        outcome = await connection.send(ENVELOPE, CONTENT)
    assert isinstance(outcome, Accepted)
    assert outcome.reply.text == "Ok: queued as 1A2B3C"
    [mail] = relay.accepted
    assert (mail.sender, mail.recipient, mail.content) == (ENVELOPE.sender, ENVELOPE.recipient, MESSAGE)


@modes
async def test_a_message_takes_as_few_round_trips_as_the_relay_allows(
    offers: dict[str, Any], round_trips: int
) -> None:
    async with FaultyRelay(**offers) as relay, _connected(relay) as connection:
        before = relay.round_trips
        for _ in range(10):
            await connection.send(ENVELOPE, CONTENT)
        assert relay.round_trips - before == 10 * round_trips


@modes
@pytest.mark.parametrize("takes_empty_data", [False, True])
async def test_after_a_refusal_the_next_message_goes_on_the_same_connection(
    offers: dict[str, Any], round_trips: int, takes_empty_data: bool
) -> None:
    """Also where the relay accepts DATA without a recipient (RFC 2920): nobody's empty mail does not count."""
    refuses = {"gone@example.org": b"550 5.1.1 <gone@example.org>: no such user\r\n"}
    async with (
        FaultyRelay(**offers, refuses=refuses, takes_empty_data=takes_empty_data) as relay,
        _connected(relay) as connection,
    ):
        outcomes = [
            await connection.send(Envelope("news@example.com", address), CONTENT)
            for address in ("gone@example.org", "anna@example.org", "gone@example.org", "bram@example.org")
        ]
    assert [type(outcome) for outcome in outcomes] == [Rejected, Accepted, Rejected, Accepted]
    assert [mail.recipient for mail in relay.accepted] == ["anna@example.org", "bram@example.org"]
    assert relay.connections == 1


async def test_the_operator_sees_why_but_not_who() -> None:
    refuses = {"anna@example.org": b"550-5.1.1 <anna@example.org>:\r\n550 5.1.1 user Anna is unknown\r\n"}
    async with FaultyRelay(pipelining=True, refuses=refuses) as relay, _connected(relay) as connection:
        outcome = await connection.send(ENVELOPE, CONTENT)
    assert outcome == Rejected(Phase.RCPT, FailureScope.RECIPIENT, outcome.reply, outcome.reason)
    assert outcome.reason == "550 5.1.1 *** user *** is unknown"


async def test_a_message_over_the_relays_size_is_rejected_before_it_is_offered() -> None:
    async with FaultyRelay(pipelining=True, size=20) as relay, _connected(relay) as connection:
        outcome = await connection.send(ENVELOPE, CONTENT)
        assert connection.usable
    assert isinstance(outcome, Rejected)
    assert outcome.scope is FailureScope.SENDER
    assert not any(line.startswith(b"MAIL") for line in relay.commands)


async def test_closing_says_quit() -> None:
    async with FaultyRelay() as relay, _connected(relay) as connection:
        await connection.send(ENVELOPE, CONTENT)
    assert relay.commands[-1] == b"QUIT"


@modes
async def test_a_cancelled_send_leaves_the_connection_closed(
    offers: dict[str, Any], round_trips: int
) -> None:
    async with FaultyRelay([{Point.RCPT: Fault.STALL}], **offers) as relay, _connected(relay) as connection:
        sending = asyncio.create_task(connection.send(ENVELOPE, CONTENT))
        await _until(lambda: any(line.startswith(b"RCPT") for line in relay.commands))
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert not connection.usable
        outcome = await connection.send(ENVELOPE, CONTENT)
    assert outcome == Deferred(Phase.MAIL, FailureScope.RELAY, None, "the sending was cancelled")
    assert relay.accepted == []


async def test_a_connection_sends_one_message_at_a_time() -> None:
    async with FaultyRelay() as relay, _connected(relay) as connection:
        sending = asyncio.create_task(connection.send(ENVELOPE, CONTENT))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError):
            await connection.send(ENVELOPE, CONTENT)
        assert isinstance(await sending, Accepted)


async def test_nothing_is_offered_to_a_connection_of_which_only_the_transport_knows_that_it_is_lost() -> None:
    async with FaultyRelay(chunking=True, pipelining=True) as relay, _connected(relay) as connection:
        transport = connection._pipeline._transport
        assert transport is not None
        transport.abort()
        outcome = await connection.send(ENVELOPE, CONTENT)
    assert isinstance(outcome, Deferred)
    assert outcome.scope is FailureScope.RELAY


async def test_a_relay_that_hangs_up_between_messages_costs_no_doubt() -> None:
    async with FaultyRelay(chunking=True, pipelining=True) as relay, _connected(relay) as connection:
        await connection.send(ENVELOPE, CONTENT)
        for session in relay.open:
            session.cancel()
        await _until(lambda: not connection.usable)
        outcome = await connection.send(ENVELOPE, CONTENT)
    assert isinstance(outcome, Deferred)
    assert outcome.scope is FailureScope.CONNECTION


@pytest.mark.parametrize(
    ("unasked", "closed_unserved"),
    [(b"421 4.4.2 Idle for too long\r\n", True), (b"250 2.0.0 Ok\r\n", False), (b"25", False)],
)
async def test_a_reply_that_nobody_asked_for_closes_the_connection(
    unasked: bytes, closed_unserved: bool
) -> None:
    """Paired with the next message it would call that one accepted."""
    async with FaultyRelay(chunking=True, pipelining=True) as relay, _connected(relay) as connection:
        relay.say(unasked)
        await _until(lambda: not connection.usable)
        outcome = await connection.send(ENVELOPE, CONTENT)
        assert connection.closed_unserved == closed_unserved
    assert isinstance(outcome, Deferred)
    assert relay.contents == []


@asynccontextmanager
async def _saying(*replies: bytes) -> AsyncIterator[Connection]:
    """A relay with PIPELINING that says these, one each time it hears something after EHLO."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in (b"220 relay.test\r\n", b"250-relay.test\r\n250 PIPELINING\r\n", *replies):
            writer.write(reply)
            await reader.read(1 << 16)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    connection = await opened(in_clear(server.sockets[0].getsockname()[1]))
    yield connection
    await connection.close()
    server.close()


async def test_content_is_not_offered_after_a_go_ahead_with_half_a_reply_behind_it() -> None:
    async with _saying(b"250 Ok\r\n250 Ok\r\n354 Go\r\n25") as connection:
        outcome = await connection.send(ENVELOPE, CONTENT)
    assert outcome == Deferred(
        Phase.FINAL, FailureScope.RELAY, None, "the relay sent a reply that answers no command"
    )


async def test_a_connection_whose_replies_make_no_sense_is_closed() -> None:
    async with _saying(b"250 Ok\r\n250 Ok\r\n354 Go\r\n", b"354 Go on\r\n") as connection:
        outcome = await connection.send(ENVELOPE, CONTENT)
        assert not connection.usable
    assert isinstance(outcome, Uncertain)


@pytest.mark.parametrize("chunking", [False, True])
async def test_a_large_message_that_stands_still_on_its_way_is_in_doubt_after_the_block_timeout(
    chunking: bool,
) -> None:
    message = b"x" * 78 + b"\r\n"
    timeouts = TimeoutSettings(block=0.3)
    plan = [{Point.CONTENT: Fault.STALL}]
    async with (
        FaultyRelay(plan, pipelining=True, chunking=chunking, size=None) as relay,
        _connected(relay, timeouts=timeouts) as connection,
    ):
        outcome = await connection.send(ENVELOPE, Content.of(message * 200_000))
    assert outcome == Uncertain(Phase.CONTENT, "no answer in content within 0.3 seconds")


async def test_a_large_message_may_take_longer_than_the_block_timeout_as_long_as_it_moves() -> None:
    message = (b"x" * 78 + b"\r\n") * 300_000
    timeouts = TimeoutSettings(block=1)
    async with (
        FaultyRelay(chunking=True, pipelining=True, size=None, pause_between_reads=0.03) as relay,
        _connected(relay, timeouts=timeouts) as connection,
    ):
        started = asyncio.get_running_loop().time()
        assert isinstance(await connection.send(ENVELOPE, Content.of(message)), Accepted)
        assert asyncio.get_running_loop().time() - started > 1
    assert relay.accepted[0].content == message


@modes
async def test_a_large_message_arrives_whole(offers: dict[str, Any], round_trips: int) -> None:
    message = (b".x" * 38 + b"\r\n") * 50_000
    async with FaultyRelay(**offers) as relay, _connected(relay) as connection:
        assert isinstance(await connection.send(ENVELOPE, Content.of(message)), Accepted)
    assert relay.accepted[0].content == message


# -- TLS and login -----------------------------------------------------------------------------------------------


@dataclass
class _Inbox:
    """An aiosmtpd handler that keeps what it is given."""

    contents: list[bytes] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.contents.append(envelope.content)
        return "250 2.0.0 Ok"


def _authenticate(
    server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword
) -> AuthResult:
    right = (data.login, data.password) == (b"mailer", b"correct horse")
    return AuthResult(success=right, handled=False)


@pytest.fixture
def aiosmtpd_port() -> Iterator[tuple[int, _Inbox]]:
    """An aiosmtpd that takes mail only after STARTTLS and login."""
    inbox = _Inbox()
    controller = Controller(
        inbox,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=loopback_certificates().server_context(),
        require_starttls=True,
        authenticator=_authenticate,
        auth_required=True,
    )
    controller.start()
    yield controller.port, inbox
    controller.stop()


async def test_aiosmtpd_takes_a_message_after_starttls_andwith_login(
    aiosmtpd_port: tuple[int, _Inbox],
) -> None:
    port, inbox = aiosmtpd_port
    connection = await opened(with_login(port))
    outcome = await connection.send(ENVELOPE, CONTENT)
    await connection.close()
    assert isinstance(outcome, Accepted)
    assert inbox.contents == [MESSAGE]


async def test_a_wrong_password_is_told_without_repeating_it(aiosmtpd_port: tuple[int, _Inbox]) -> None:
    port, _ = aiosmtpd_port
    with pytest.raises(ConnectionFailed, match="refused the login") as caught:
        await opened(with_login(port, password="battery staple"))
    assert (caught.value.lasting, caught.value.exit_code) == (True, 1)
    assert "battery" not in str(caught.value)


@pytest.mark.parametrize("said", ["battery staple", b64encode(b"battery staple").decode()])
async def test_a_relay_that_greets_with_a_password_of_earlier_is_not_quoted(said: str) -> None:
    def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"554 Not you: {said}\r\n".encode())
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionFailed, match="554 Not you") as caught:
            await opened(in_clear(port, username="mailer", password="battery staple"))
    assert said not in str(caught.value)


async def test_a_message_goes_through_implicit_tls() -> None:
    settings = {"security": "tls", "ca_file": loopback_certificates().ca_file}
    async with (
        FaultyRelay(implicit_tls=True, pipelining=True) as relay,
        _connected(relay, **settings) as connection,
    ):
        assert isinstance(await connection.send(ENVELOPE, CONTENT), Accepted)


@pytest.mark.parametrize("login", [None, ("mailer", "correct horse")])
async def test_a_relay_without_starttls_hears_neither_password_nor_mail(
    login: tuple[str, str] | None,
) -> None:
    async with FaultyRelay(login=login) as relay:
        with pytest.raises(ConnectionFailed, match="offers no STARTTLS") as caught:
            await opened(with_login(relay.port))
    assert caught.value.lasting
    assert [line.split()[0] for line in relay.commands] == [b"EHLO"]


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_an_unknown_authority_is_not_trusted(security: str) -> None:
    async with FaultyRelay(starttls=security == "starttls", implicit_tls=security == "tls") as relay:
        with pytest.raises(ConnectionFailed, match="certificate that can't be trusted") as caught:
            await opened(with_login(relay.port, security=security, ca_file=None))
    assert caught.value.lasting


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_for_another_name_is_not_trusted(security: str) -> None:
    offers: dict[str, Any] = {"starttls": security == "starttls", "implicit_tls": security == "tls"}
    async with FaultyRelay(host="127.0.0.2", **offers) as relay:
        with pytest.raises(ConnectionFailed, match="certificate that can't be trusted"):
            await opened(with_login(relay.port, host="127.0.0.2", security=security))


async def test_tls_to_a_relay_that_speaks_in_clear_says_which_setting_to_look_at() -> None:
    async with FaultyRelay() as relay:
        with pytest.raises(ConnectionFailed, match="security"):
            await opened(with_login(relay.port, security="tls"))


async def test_a_password_crosses_loopback_in_clear_where_security_is_none() -> None:
    async with FaultyRelay(login=("mailer", "correct horse")) as relay:
        connection = await opened(with_login(relay.port, security="none"))
        await connection.close()


async def test_a_password_does_not_cross_a_network_in_clear() -> None:
    address = _address_on_the_network()
    async with FaultyRelay(host=address, login=("mailer", "correct horse")) as relay:
        with pytest.raises(ConfigurationError, match="would be sent unencrypted"):
            await opened(with_login(relay.port, host=address, security="none"))
    assert [line.split()[0] for line in relay.commands] == [b"EHLO"]


def _address_on_the_network() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # sends nothing: only asks which address it would be sent from
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(sock.getsockname()[0])


async def test_a_relay_that_knows_no_login_says_so() -> None:
    async with FaultyRelay(starttls=True) as relay:
        with pytest.raises(ConnectionFailed, match="offers no login"):
            await opened(with_login(relay.port))


async def test_a_certificate_file_that_is_none_is_a_configuration_error(tmp_path: Any) -> None:
    with pytest.raises(ConfigurationError, match="ca_file"):
        RelayPool(with_login(587, ca_file=tmp_path / "missing.pem"))
