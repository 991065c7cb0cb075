"""From an address to a connection that is ready for mail: dial, TLS, EHLO, login, through aiosmtplib.

Nothing is ever sent in clear that was meant to be encrypted: with ``starttls`` a relay that does not offer it is
unavailable, certificates are always verified, and a password goes over an unencrypted line to loopback only.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TypeVar, cast

import aiosmtplib

from mailer.config import RelaySettings
from mailer.errors import ConfigurationError, RelayUnavailable
from mailer.smtp.acknowledgement import acknowledger
from mailer.smtp.outcome import Phase, presentable
from mailer.smtp.transaction import Capabilities

_SIZE = re.compile(r"[0-9]{1,20}")  # RFC 1870 section 4

_MAILMAX = re.compile(r"\bMAILMAX=([1-9][0-9]{0,5})\b", re.IGNORECASE)  # RFC 9422 section 4.1


class ConnectionFailed(RelayUnavailable):
    """A connection did not come to the point where mail can be offered.

    `phase` says how far it came and `code` what the relay replied, if it did. `lasting` is set where trying again
    soon is pointless: wrong credentials, an untrusted certificate, no STARTTLS.
    """

    def __init__(
        self,
        message: str,
        *,
        phase: Phase,
        code: int | None = None,
        lasting: bool = False,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.phase = phase
        self.code = code
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class Session:
    """A transport on which the relay waits for MAIL, what it offers, and how to acknowledge at once what it sent."""

    transport: asyncio.Transport
    capabilities: Capabilities
    acknowledge: Callable[[], None]


def tls_context(settings: RelaySettings) -> ssl.SSLContext | None:
    """The TLS context for a relay; None without TLS. `ca_file`, where given, replaces the system's authorities.

    Raises ConfigurationError where it can't be read.
    """
    if settings.security == "none":
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"The certificate authorities in {settings.ca_file} can't be read: {error.strerror or error}.",
            hint="[smtp] ca_file names a PEM file with the certificates of the authorities to trust.",
        ) from None


async def connect(settings: RelaySettings, tls: ssl.SSLContext | None) -> Session:
    """Open a connection up to the point where MAIL is next.

    Raises ConnectionFailed, and ConfigurationError where a password would go in clear.
    """
    handshake = _Handshake(settings, tls)
    try:
        return await handshake.perform()
    except (aiosmtplib.SMTPException, OSError) as error:
        raise _explain(error, handshake.phase, settings) from error


class _Handshake:
    """Knows in which phase it is, for the sake of whoever has to explain an error."""

    def __init__(self, settings: RelaySettings, tls: ssl.SSLContext | None) -> None:
        self.phase = Phase.CONNECT
        self._settings = settings
        self._tls = tls

    async def perform(self) -> Session:
        settings = self._settings
        sock = await _dial(settings.host, settings.port, settings.timeouts.connect)
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            sock=sock,
            local_hostname=settings.helo_name or _own_name(sock),
            use_tls=settings.security == "tls",
            start_tls=False,
            tls_context=self._tls,
        )
        try:
            await self._prepare(client)
            transport = cast("asyncio.Transport", client.transport)
            offered = _capabilities(client.esmtp_extensions, chunking=settings.chunking)
            return Session(transport, offered, acknowledger(sock))
        except BaseException:
            client.close()
            raise

    async def _prepare(self, client: aiosmtplib.SMTP) -> None:
        limits = self._settings.timeouts
        self.phase = Phase.GREETING
        await client.connect(timeout=limits.greeting)
        await self._greet(client)
        if self._settings.security == "starttls":
            self.phase = Phase.STARTTLS
            if not client.supports_extension("starttls"):
                raise self._refuse(
                    "offers no STARTTLS, and nothing is sent in clear",
                    'Check host and port (587 is usual); security = "tls" is for port 465.',
                )
            await client.starttls(timeout=limits.tls)
            await self._greet(client)
        if self._settings.username is not None:
            self.phase = Phase.AUTH
            await self._log_in(client, self._settings.username)

    async def _greet(self, client: aiosmtplib.SMTP) -> None:
        """EHLO, said aloud: aiosmtplib forgets what was offered at STARTTLS and would not ask again."""
        self.phase = Phase.EHLO
        await client.ehlo(timeout=self._settings.timeouts.ehlo)

    async def _log_in(self, client: aiosmtplib.SMTP, username: str) -> None:
        settings = self._settings
        if (
            settings.security == "none"
            and not ip_address(client.get_transport_info("peername")[0]).is_loopback
        ):
            raise ConfigurationError(
                f"The password for {settings.host}:{settings.port} would cross the network in clear.",
                hint='Set [smtp] security to "starttls" or "tls".',
            )
        if not client.supported_auth_methods:
            raise self._refuse(
                "offers no login that we know (PLAIN, LOGIN, CRAM-MD5)",
                "Leave [smtp] username out if the relay knows us by our address.",
            )
        password = settings.password.get_secret_value() if settings.password else ""
        await client.login(username, password, timeout=settings.timeouts.auth)

    def _refuse(self, what: str, hint: str) -> ConnectionFailed:
        message = f"The relay {self._settings.host}:{self._settings.port} {what}."
        return ConnectionFailed(message, phase=self.phase, lasting=True, hint=hint)


async def _dial(host: str, port: int, patience: float) -> socket.socket:
    """A TCP connection to the first of the host's addresses that answers; `patience` seconds for them all."""
    loop = asyncio.get_running_loop()
    failure: OSError = OSError(f"{host} has no address")
    async with asyncio.timeout(patience):
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(0)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(patience / len(addresses)):
                await loop.sock_connect(sock, address)
        except OSError as error:  # TimeoutError is one
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


def _own_name(sock: socket.socket) -> str:
    """Our name for EHLO: the host's, or else our address as a literal (RFC 5321 section 4.1.4)."""
    name = socket.gethostname()
    if "." in name and name.isascii():
        return name
    address = ip_address(sock.getsockname()[0].partition("%")[0])
    return f"[IPv6:{address}]" if isinstance(address, IPv6Address) else f"[{address}]"


def _capabilities(extensions: dict[str, str], *, chunking: bool) -> Capabilities:
    """What of an EHLO reply is used; without `chunking` not that."""
    size = extensions.get("size")
    if size is not None:
        size = size.strip() or "0"
    return Capabilities(
        pipelining="pipelining" in extensions,
        chunking=chunking and "chunking" in extensions,
        size=int(size) if size is not None and _SIZE.fullmatch(size) else None,
        mailmax=int(found[1]) if (found := _MAILMAX.search(extensions.get("limits", ""))) else None,
    )


def _explain(error: Exception, phase: Phase, settings: RelaySettings) -> ConnectionFailed:
    """An error of the network, of TLS or of aiosmtplib, in words for the operator."""
    relay = f"The relay {settings.host}:{settings.port}"
    if (tls := _find(error, ssl.SSLError)) is not None:
        return _explain_tls(relay, tls)
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code > 0:
        return _explain_reply(relay, error, phase, _secrets(settings))
    if isinstance(error, TimeoutError):
        return ConnectionFailed(f"{relay} did not answer in time ({phase}).", phase=phase)
    if phase is Phase.CONNECT:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "Check [smtp] host and port; is it running?"
        return ConnectionFailed(f"{relay} can't be reached: {reason}.", phase=phase, hint=hint)
    what = "hung up" if isinstance(error, ConnectionError) else "said something that can't be read"
    return ConnectionFailed(f"{relay} {what} ({phase}).", phase=phase)


def _explain_tls(relay: str, error: ssl.SSLError) -> ConnectionFailed:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectionFailed(
            f"{relay} shows a certificate that can't be trusted: {error.verify_message}.",
            phase=Phase.STARTTLS,
            lasting=True,
            hint="Is [smtp] host the name in its certificate? For an authority of one's own set [smtp] ca_file.",
        )
    return ConnectionFailed(
        f"{relay} and we can't agree on TLS: {error.reason or error}.",
        phase=Phase.STARTTLS,
        hint='For port 587 set [smtp] security to "starttls"; "tls" is for port 465.',
    )


def _explain_reply(
    relay: str, error: aiosmtplib.SMTPResponseException, phase: Phase, secrets: tuple[str, ...]
) -> ConnectionFailed:
    reply = f"{error.code} {presentable(error.message, secrets)}".strip()
    if phase is not Phase.AUTH:
        return ConnectionFailed(f"{relay} refused us ({phase}): {reply}", phase=phase, code=error.code)
    return ConnectionFailed(
        f"{relay} refused the login: {reply}",
        phase=phase,
        code=error.code,
        lasting=error.code // 100 == 5,
        hint="Check [smtp] username and password.",
    )


def _secrets(settings: RelaySettings) -> tuple[str, ...]:
    """The password in every form in which a login says it, for a relay may repeat what it heard."""
    if settings.password is None:
        return ()
    password = settings.password.get_secret_value()
    forms = (password, f"\0{settings.username}\0{password}")
    return (password, *(b64encode(form.encode()).decode() for form in forms))


_E = TypeVar("_E", bound=BaseException)


def _find(error: BaseException | None, kind: type[_E]) -> _E | None:
    """The first `kind` among `error` and what caused it."""
    while error is not None:
        if isinstance(error, kind):
            return error
        error = error.__cause__
    return None
