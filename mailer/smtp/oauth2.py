"""Access tokens for XOAUTH2, fetched from a token endpoint over HTTPS and renewed before they expire (RFC 6749).

client credentials   RFC 6749 section 4.4, for an application that mails in its own name
refresh token        RFC 6749 section 6, for a mailbox whose owner agreed once
"""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass, field
from functools import partial
from math import isfinite

from mailer.config import OAuth2Settings
from mailer.errors import reason_of, starting_thread
from mailer.smtp.outcome import presentable
from mailer.smtp.refresh_token import RefreshToken

# Seconds before its end at which a token is renewed; at most a quarter of its lifetime.
RENEWAL_MARGIN = 120.0
TIMEOUT_SECONDS = 20.0  # for the endpoint to answer
DEFAULT_LIFETIME = 300.0  # seconds; where the answer does not state it (RFC 6749 section 5.1)
# What reading an answer raises that is not as RFC 6749 says, or no JSON, or JSON nested too deeply.
_UNREADABLE = (ValueError, TypeError, AttributeError, RecursionError)


class TokenFailed(Exception):
    """There is no token. `lasting`: asking again is pointless, because the client or its grant is refused."""

    def __init__(self, message: str, *, lasting: bool) -> None:
        super().__init__(message)
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token. From `renew_at` on it is renewed: seconds on the clock of `read_token`'s `now`."""

    value: str = field(repr=False)
    renew_at: float
    refresh_token: str | None = field(default=None, repr=False)


def request_fields(settings: OAuth2Settings, refresh_token: str | None) -> dict[str, str]:
    """The form fields of a token request: the grant of the refresh token if there is one, else the client's own."""
    fields = {
        "client_id": settings.client_id,
        "client_secret": settings.client_secret and settings.client_secret.reveal(),
        "scope": settings.scope,
        "grant_type": "refresh_token" if refresh_token else "client_credentials",
        "refresh_token": refresh_token,
    }
    return {name: value for name, value in fields.items() if value}


def read_token(answer: bytes, now: float) -> AccessToken:
    """The token in an endpoint's answer (RFC 6749 section 5.1). Raises TokenFailed where there is none."""
    try:
        values = json.loads(answer)
        value, kind = values["access_token"], values.get("token_type", "Bearer")
        lifetime = float(values.get("expires_in", DEFAULT_LIFETIME))
        if not isfinite(lifetime):
            raise ValueError
    except (*_UNREADABLE, KeyError, OverflowError):
        raise TokenFailed("its answer holds no access token", lasting=False) from None
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        raise TokenFailed("its answer holds no access token", lasting=False)
    if str(kind).lower() != "bearer":
        raise TokenFailed("its token is not of the type Bearer", lasting=True)
    renewed = values.get("refresh_token")
    return AccessToken(
        value,
        now + lifetime - min(RENEWAL_MARGIN, lifetime / 4),
        renewed if isinstance(renewed, str) and renewed else None,
    )


def read_refusal(status: int, answer: bytes, secrets: tuple[str, ...]) -> TokenFailed:
    """Why an endpoint gave no token (RFC 6749 section 5.2). `secrets` that it repeats are masked."""
    try:
        values = json.loads(answer)
        parts = [str(values[name]) for name in ("error", "error_description") if values.get(name)]
    except _UNREADABLE:
        parts = []
    description = presentable(": ".join(parts), secrets)
    lasting = status in (400, 401, 403) and not description.startswith("temporarily_unavailable")
    return TokenFailed(f"it answers {status}{' ' + description if description else ''}", lasting=lasting)


class TokenSource:
    """The access token of one relay, for all its connections. Times are those of the event loop's clock."""

    def __init__(self, settings: OAuth2Settings) -> None:
        self._settings = settings
        self._refresh_token = RefreshToken(settings)
        self._token: AccessToken | None = None
        self._fetching = asyncio.Lock()

    async def token(self, *, refused: str | None = None) -> str:
        """A token that has not expired; a new one if the relay `refused` the current one.

        Raises TokenFailed, and NoProcess where no thread can be started.
        """
        async with self._fetching:
            now = asyncio.get_running_loop().time()
            known = self._token
            if known is None or now >= known.renew_at or known.value == refused:
                with starting_thread():
                    known = self._token = await self._fetch(now)
            return known.value

    async def _fetch(self, now: float) -> AccessToken:
        refresh_token = await asyncio.to_thread(self._refresh_token.newest)
        try:
            token = await self._request(refresh_token, now)
        except TokenFailed as error:
            replaced = await asyncio.to_thread(self._refresh_token.newest)
            if not error.lasting or replaced == refresh_token:
                raise
            token = await self._request(replaced, now)  # another process got a new one meanwhile
        if refresh_token is not None and token.refresh_token not in (None, refresh_token):
            await asyncio.to_thread(self._refresh_token.replace, token.refresh_token)
        return token

    async def _request(self, refresh_token: str | None, now: float) -> AccessToken:
        from mailer.form_post import post_form  # noqa: PLC0415 - slow to import, and most relays take a password

        settings, fields = self._settings, request_fields(self._settings, refresh_token)
        ask = partial(post_form, settings.token_url, fields, timeout_seconds=TIMEOUT_SECONDS)
        accepted = {"Accept": "application/json"}
        try:
            status, _, answer = await asyncio.to_thread(ask, headers=accepted, ca_file=settings.ca_file)
        except OSError as error:
            untrusted = isinstance(error, ssl.SSLCertVerificationError)
            raise TokenFailed(f"it can't be asked ({reason_of(error)})", lasting=untrusted) from None
        if status != 200:
            secrets = tuple(fields[name] for name in ("client_secret", "refresh_token") if name in fields)
            raise read_refusal(status, answer, secrets)
        return read_token(answer, now)
