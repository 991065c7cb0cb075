"""Why there is no connection, in words for the operator. Secrets that the relay repeats are masked."""

from __future__ import annotations

import ssl
from base64 import b64encode
from typing import ClassVar, TypeVar

import aiosmtplib

from mailer.config import RelaySettings
from mailer.errors import MailerError, RelayUnavailable
from mailer.smtp.outcome import Phase, presentable


class ConnectionFailed(RelayUnavailable):
    """A connection failed before mail could be offered.

    `phase` is where it failed, and `code` the code of the relay's reply, if there was one. `lasting`: trying again is
    pointless until somebody has corrected the cause.
    """

    lasting: ClassVar[bool] = False

    def __init__(
        self, message: str, *, phase: Phase, code: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.phase = phase
        self.code = code


class ConnectionRefused(ConnectionFailed):
    """The relay refuses us, and will again: a wrong password, an untrusted certificate, a 5yz reply."""

    exit_code = MailerError.exit_code
    lasting = True


def explain(error: Exception, phase: Phase, settings: RelaySettings) -> ConnectionFailed:
    """The ConnectionFailed for an error of the network, of TLS or of aiosmtplib."""
    relay = name_of(settings)
    if (tls := _find(error, ssl.SSLError)) is not None:
        return _explain_tls(relay, tls)
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code > 0:
        return explain_reply(error.code, error.message, phase, settings)
    if isinstance(error, TimeoutError):
        return ConnectionFailed(f"{relay} did not answer in time ({phase}).", phase=phase)
    if phase is Phase.CONNECT:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "Check [smtp] host and port; is it running?"
        return ConnectionFailed(f"{relay} can't be reached: {reason}.", phase=phase, hint=hint)
    what = "hung up" if isinstance(error, ConnectionError) else "sent a reply that can't be read"
    return ConnectionFailed(f"{relay} {what} ({phase}).", phase=phase)


def explain_reply(
    code: int, text: str, phase: Phase, settings: RelaySettings, secrets: tuple[str, ...] = ()
) -> ConnectionFailed:
    """The ConnectionFailed for a reply that ends the connection: a 5yz is lasting. `secrets` are masked in it."""
    relay = name_of(settings)
    reply = f"{code} {presentable(text, (*secrets_of(settings), *secrets))}".strip()
    kind = ConnectionRefused if code // 100 == 5 else ConnectionFailed
    if phase is Phase.AUTH:
        hint = "Check [smtp] username and password."
        return kind(f"{relay} refused the login: {reply}", phase=phase, code=code, hint=hint)
    return kind(f"{relay} refused us ({phase}): {reply}", phase=phase, code=code)


def name_of(settings: RelaySettings) -> str:
    """How a message names the relay."""
    return f"The relay {settings.host}:{settings.port}"


def secrets_of(settings: RelaySettings) -> tuple[str, ...]:
    """The password in each form in which a login sends it: a relay may repeat it in a reply."""
    if settings.password is None:
        return ()
    password = settings.password.get_secret_value()
    forms = (password, f"\0{settings.username}\0{password}")
    return (password, *(b64encode(form.encode()).decode() for form in forms))


def _explain_tls(relay: str, error: ssl.SSLError) -> ConnectionFailed:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectionRefused(
            f"{relay} shows a certificate that can't be trusted: {error.verify_message}.",
            phase=Phase.STARTTLS,
            hint="Is [smtp] host the name in its certificate? For an authority of your own set [smtp] ca_file.",
        )
    return ConnectionFailed(
        f"{relay} and we can't agree on TLS: {error.reason or error}.",
        phase=Phase.STARTTLS,
        hint='For port 587 set [smtp] security to "starttls"; "tls" is for port 465.',
    )


_E = TypeVar("_E", bound=BaseException)


def _find(error: BaseException | None, kind: type[_E]) -> _E | None:
    """The first `kind` among `error` and what caused it."""
    while error is not None:
        if isinstance(error, kind):
            return error
        error = error.__cause__
    return None
