"""Open a connection that is ready for mail: TCP, TLS, EHLO and login, through aiosmtplib.

There is no fallback to an unencrypted connection: with ``starttls`` a relay that does not offer it is unavailable.
Certificates are always verified. A password is sent unencrypted to loopback only.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, NamedTuple, cast

import aiosmtplib

from mailer.config import RelaySettings
from mailer.errors import ConfigurationError, NoProcess, reason_of
from mailer.host_addresses import connect_to, look_up
from mailer.smtp.failure import ConnectionRefused, explain, name_of
from mailer.smtp.outcome import Phase
from mailer.smtp.transaction import Capabilities

if TYPE_CHECKING:
    from mailer.smtp.oauth2 import TokenSource
    from mailer.smtp.sasl import Method

_UNKNOWN_COMMAND = (500, 501, 502, 504)
_SIZE = re.compile(r"\s*([0-9]{0,20})\s*")  # RFC 1870 section 4
_MAILMAX = re.compile(r"\bMAILMAX=([1-9][0-9]{0,5})\b", re.IGNORECASE)  # RFC 9422 section 4.1


class Session(NamedTuple):
    """A transport on which the relay waits for MAIL, and the extensions that it offers.

    `acknowledge` acknowledges received data at once; `method` is the login method, or None without login.
    """

    transport: asyncio.Transport
    capabilities: Capabilities
    acknowledge: Callable[[], None]
    method: Method | None


def tls_context(settings: RelaySettings) -> ssl.SSLContext | None:
    """The TLS context for a relay; None without TLS. Raises ConfigurationError where ca_file can't be read."""
    if settings.security == "none":
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"The certificate authorities in {settings.ca_file} can't be read: {reason_of(error)}.",
            hint="[smtp] ca_file names a PEM file with the certificates of the authorities to trust.",
        ) from None


def token_source(settings: RelaySettings) -> TokenSource | None:
    """The source of a relay's tokens; None where it takes a password."""
    if settings.oauth2 is None:
        return None
    from mailer.smtp.oauth2 import TokenSource  # noqa: PLC0415 - as below

    return TokenSource(settings.oauth2)


async def connect(
    settings: RelaySettings, tls: ssl.SSLContext | None = None, tokens: TokenSource | None = None
) -> Session:
    """Open a connection on which MAIL is next: connect, encrypt, greet and log in.

    With `tls` the certificates of the authorities are not read again, and with `tokens` an access token is shared;
    by default both are made from the settings.
    Raises ConnectionFailed (a RelayUnavailable), whose text names the phase and the reason; ConfigurationError where
    ca_file can't be read or a password would be sent unencrypted.
    """
    tls, tokens = tls or tls_context(settings), tokens or token_source(settings)
    with _explained(Phase.CONNECT, settings):
        sock = await _dial(settings.host, settings.port, settings.timeouts.connect)
        client = _Client(
            hostname=settings.host,
            sock=sock,
            local_hostname=settings.helo_name or _own_name(sock),
            use_tls=settings.security == "tls",
            start_tls=False,
            tls_context=tls,
        )
    try:
        method = await _prepare(client, settings, tokens)
        transport = cast("asyncio.Transport", client.transport)
        return Session(transport, _capabilities(client.esmtp_extensions), acknowledger(sock), method)
    except BaseException:
        client.close()
        raise


class _Client(aiosmtplib.SMTP):
    """A client that closes its connection at once. It does so where the handshake fails."""

    def close(self) -> None:
        """Close without taking leave: with TLS, a relay that does not answer would keep the connection for half a minute."""
        if self.transport is not None:
            cast("asyncio.Transport", self.transport).abort()
        super().close()


async def _prepare(
    client: aiosmtplib.SMTP, settings: RelaySettings, tokens: TokenSource | None
) -> Method | None:
    """Greet, encrypt and log in; returns the login method."""
    with _explained(Phase.GREETING, settings):
        await client.connect(timeout=settings.timeouts.greeting)
    await _greet(client, settings)
    if settings.security == "starttls":
        if not client.supports_extension("starttls"):
            raise ConnectionRefused(
                f"{name_of(settings)} offers no STARTTLS, and mail is not sent unencrypted.",
                hint='Check host and port (587 is usual); security = "tls" is for port 465.',
            )
        with _explained(Phase.STARTTLS, settings):
            await client.starttls(timeout=settings.timeouts.tls)
        await _greet(client, settings)
    if settings.username is None:
        return None
    from mailer.smtp.login import log_in  # noqa: PLC0415 - slow to import, and a relay nearby asks for none

    with _explained(Phase.AUTH, settings):
        return await log_in(client, settings, tokens)


async def _greet(client: aiosmtplib.SMTP, settings: RelaySettings) -> None:
    """Send EHLO explicitly: aiosmtplib forgets the extensions at STARTTLS and does not ask for them again.

    A relay that does not know EHLO gets HELO (RFC 5321 section 3.2), and then offers no extensions.
    """
    limit = settings.timeouts.ehlo
    with _explained(Phase.EHLO, settings):
        try:
            await client.ehlo(timeout=limit)
        except aiosmtplib.SMTPHeloError as error:
            if error.code not in _UNKNOWN_COMMAND:
                raise
            await client.helo(timeout=limit)


@contextmanager
def _explained(phase: Phase, settings: RelaySettings) -> Iterator[None]:
    """Turn what fails in this phase into a ConnectionFailed."""
    try:
        yield
    except (aiosmtplib.SMTPException, OSError, NoProcess) as error:
        raise explain(error, phase, settings) from error


async def _dial(host: str, port: int, timeout_seconds: float) -> socket.socket:
    """A TCP connection to the first of the host's addresses that answers, within `timeout_seconds` in all."""
    failure: OSError = OSError(f"{host} has no address")
    async with asyncio.timeout(timeout_seconds):
        addresses = await look_up(host, port)
    for *kind, _, address in addresses:
        try:
            with ExitStack() as stack:
                sock = stack.enter_context(socket.socket(*kind))
                sock.settimeout(0)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                async with asyncio.timeout(timeout_seconds / len(addresses)):
                    await connect_to(sock, address)
                stack.pop_all()
                return sock
        except OSError as error:  # TimeoutError is one; or this machine has no such family, as without IPv6
            failure = error
    raise failure


def acknowledger(sock: socket.socket) -> Callable[[], None]:
    """A function that acknowledges at once all that `sock` has received, on Linux. It never raises.

    A relay that writes its small replies one by one holds back the second until the first is acknowledged (Nagle, RFC 896),
    and Linux delays that acknowledgement by 40 ms (RFC 1122 section 4.2.3.2). Postfix writes two replies to a group of
    commands, so each message would take 40 ms more.
    """
    option = getattr(socket, "TCP_QUICKACK", None)
    if option is None:
        return lambda: None

    def acknowledge() -> None:
        with suppress(OSError):  # it is closed
            sock.setsockopt(socket.IPPROTO_TCP, option, 1)

    return acknowledge


def _own_name(sock: socket.socket) -> str:
    """Our name for EHLO: the host's full name, or else our address as a literal (RFC 5321 section 4.1.4)."""
    name = socket.gethostname()
    if "." in name and name.isascii():
        return name
    address = ip_address(sock.getsockname()[0].partition("%")[0])
    return f"[IPv6:{address}]" if isinstance(address, IPv6Address) else f"[{address}]"


def _capabilities(extensions: dict[str, str]) -> Capabilities:
    """The extensions of an EHLO reply that we use."""
    size = _SIZE.fullmatch(extensions.get("size", "none"))
    mailmax = _MAILMAX.search(extensions.get("limits", ""))
    return Capabilities(
        pipelining="pipelining" in extensions,
        chunking="chunking" in extensions,
        size=int(size[1] or 0) if size else None,
        mailmax=int(mailmax[1]) if mailmax else None,
    )
