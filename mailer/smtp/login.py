"""Log in to a relay: choose a mechanism and run its dialogue (RFC 4954)."""

from __future__ import annotations

import aiosmtplib

from mailer.config import RelaySettings
from mailer.errors import ConfigurationError
from mailer.loopback import is_loopback
from mailer.smtp import sasl
from mailer.smtp.failure import OAUTH2_HINT, ConnectionFailed, ConnectionRefused, explain_reply, name_of
from mailer.smtp.oauth2 import TokenFailed, TokenSource
from mailer.smtp.outcome import Phase
from mailer.smtp.sasl import Credentials, Method

CONTINUE, DONE, CANCEL = 334, 235, b"*"


async def log_in(client: aiosmtplib.SMTP, settings: RelaySettings, tokens: TokenSource | None) -> Method:
    """Log in as the settings say, by a token of `tokens` or else by password; returns the mechanism that was used.

    A token that the relay refuses is renewed once, because it may have been revoked.
    Raises ConnectionFailed; ConfigurationError where a secret would be sent unencrypted.
    """
    if settings.security == "none" and not is_loopback(client.get_transport_info("peername")[0]):
        raise ConfigurationError(
            f"The password for {settings.host}:{settings.port} would be sent unencrypted.",
            hint='Set [smtp] security to "starttls" or "tls".',
        )
    method = sasl.choose(client.server_auth_methods, settings.auth, oauth2=tokens is not None)
    if method is None:
        raise _no_method(client.server_auth_methods, settings)
    refused: str | None = None
    while True:
        secret = await _secret(settings, tokens, refused)
        credentials = Credentials(settings.username or "", secret)
        code, text = await _authenticate(client, settings, method, credentials)
        if code == DONE:
            return method
        if tokens is None or code // 100 != 5 or refused is not None:
            raise explain_reply(code, text, Phase.AUTH, settings, secret)
        refused = secret


async def _secret(settings: RelaySettings, tokens: TokenSource | None, refused: str | None) -> str:
    """The password, or a token: a new one if the relay `refused` the last one."""
    if tokens is None:
        return settings.password.reveal() if settings.password else ""
    try:
        return await tokens.token(refused=refused)
    except TokenFailed as error:
        kind = ConnectionRefused if error.lasting else ConnectionFailed
        message = f"The token endpoint of {settings.host} gives no token: {error}."
        raise kind(message, hint=OAUTH2_HINT) from None


async def _authenticate(
    client: aiosmtplib.SMTP, settings: RelaySettings, method: Method, credentials: Credentials
) -> tuple[int, str]:
    """Run the login; returns code and text of the relay's last reply. An unexpected challenge cancels the login."""
    limit = settings.timeouts.auth
    dialogue = sasl.DIALOGUES[method](credentials)
    initial = next(dialogue)
    command = b"AUTH", method.upper().encode(), *([] if initial is None else [sasl.encode(initial)])
    reply = await client.execute_command(*command, timeout=limit)
    while reply.code == CONTINUE:
        try:
            answer = dialogue.send(sasl.decode(reply.message))
        except (sasl.UnexpectedChallenge, StopIteration) as error:
            await client.execute_command(CANCEL, timeout=limit)
            what = str(error) or "it asks for more than the method has"
            raise ConnectionRefused(
                f"{name_of(settings)} does not follow AUTH {method.upper()}: {what}; the login was cancelled.",
                hint='Set [smtp] auth to another method that it offers: "plain", "login" or "cram-md5".',
            ) from None
        reply = await client.execute_command(sasl.encode(answer or b""), timeout=limit)
    return reply.code, reply.message


def _no_method(offered: list[str], settings: RelaySettings) -> ConnectionRefused:
    wanted = ", ".join(sasl.usable(settings.auth, oauth2=settings.oauth2 is not None)).upper()
    readable = sorted(name.upper() for name in offered if name.isascii() and name.isprintable())
    return ConnectionRefused(
        f"{name_of(settings)} offers no login that we know ({wanted}). "
        f"It offers: {', '.join(readable[:10]) or 'none'}.",
        hint="Leave [smtp] username out if the relay knows us by our address; [smtp] auth names another method.",
    )
