"""Why there is no connection, in words for the operator. Secrets that the relay repeats are masked."""

from __future__ import annotations

import ssl
from typing import ClassVar

import aiosmtplib

from mailer.config import RelaySettings
from mailer.errors import MailerError, RelayUnavailable, exhausted_limit, reason_of
from mailer.smtp.outcome import Phase, presentable

OAUTH2_HINT = "Check [smtp.oauth2], and that the application may send mail for [smtp] username."


class ConnectionFailed(RelayUnavailable):
    """There is no connection on which mail could be offered. `lasting`: not until somebody corrects the cause."""

    lasting: ClassVar[bool] = False


class ConnectionRefused(ConnectionFailed):
    """The relay refuses us, and will again: a wrong password, an untrusted certificate, a 5yz reply."""

    exit_code = MailerError.exit_code
    lasting = True


def explain(error: Exception, phase: Phase, settings: RelaySettings) -> ConnectionFailed:
    """The ConnectionFailed for an error of the network, of TLS or of aiosmtplib."""
    relay = name_of(settings)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return _explain_tls(relay, cause)
        cause = cause.__cause__
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code > 0:
        return explain_reply(error.code, error.message, phase, settings)
    if limit := exhausted_limit(error):  # of ours: it says nothing about the relay
        return ConnectionFailed(f"{relay} can't be reached: {limit.message}", hint=limit.hint)
    if isinstance(error, TimeoutError):
        return ConnectionFailed(f"{relay} did not answer in time ({phase}).")
    if phase is Phase.CONNECT:
        hint = "Check [smtp] host and port; is it running?"
        return ConnectionFailed(f"{relay} can't be reached: {reason_of(error)}.", hint=hint)
    what = "hung up" if isinstance(error, ConnectionError) else "sent a reply that can't be read"
    return ConnectionFailed(f"{relay} {what} ({phase}).")


def explain_reply(
    code: int, text: str, phase: Phase, settings: RelaySettings, secret: str | None = None
) -> ConnectionFailed:
    """The ConnectionFailed for a reply that ends the connection: a 5yz is lasting.

    `secret`, by default the password, is masked as a login sends it: the relay may have learnt it from an earlier one.
    """
    from mailer.smtp import sasl  # noqa: PLC0415 - most connections are not refused

    secret = secret or (settings.password.reveal() if settings.password else None)
    secrets = sasl.wire_forms(sasl.Credentials(settings.username or "", secret)) if secret else ()
    reply = f"{code} {presentable(text, secrets)}".strip()
    kind = ConnectionRefused if code // 100 == 5 else ConnectionFailed
    if phase is not Phase.AUTH:
        return kind(f"{name_of(settings)} refused us ({phase}): {reply}")
    hint = OAUTH2_HINT if settings.oauth2 is not None else "Check [smtp] username and password."
    return kind(f"{name_of(settings)} refused the login: {reply}", hint=hint)


def name_of(settings: RelaySettings) -> str:
    """How a message names the relay."""
    return f"The relay {settings.host}:{settings.port}"


def _explain_tls(relay: str, error: ssl.SSLError) -> ConnectionFailed:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectionRefused(
            f"{relay} shows a certificate that can't be trusted: {error.verify_message}.",
            hint="Is [smtp] host the name in its certificate? For an authority of your own set [smtp] ca_file.",
        )
    return ConnectionFailed(
        f"{relay} and we can't agree on TLS: {error.reason or error}.",
        hint='For port 587 set [smtp] security to "starttls"; "tls" is for port 465.',
    )
