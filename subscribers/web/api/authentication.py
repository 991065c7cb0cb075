"""Authenticate requests: a bearer token (RFC 6750), its scopes, its number of requests a second, and the size it names.

It runs before the application, so that the body of an unauthenticated request is not read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable

from fastapi import Request, Security
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from mailer.access import RequestRate, Scope, Token
from mailer.errors import MailerError
from subscribers.web.api.problems import Trouble

LARGEST_BODY = 2 * 1024 * 1024
_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_bearer = HTTPBearer(auto_error=False, scheme_name="token", description="`mailer keys api create` makes one.")


class Authentication:
    """Answers 401, 413 and 429. It passes other requests on, with the token in ``scope["state"]``."""

    def __init__(
        self,
        app: ASGIApp,
        find_token: Callable[[str], Awaitable[Token | None]],
        on_use: Callable[[Token], None],
        open_path: str,
    ) -> None:
        self._app = app
        self._find_token = find_token
        self._on_use = on_use
        self._open_path = open_path
        self._rate = RequestRate(time.monotonic)

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].endswith(self._open_path):
            try:
                token = await self._authenticate(scope)
            except Trouble as trouble:
                await trouble.response()(scope, receive, send)
                return
            scope.setdefault("state", {})["token"] = token
        await self._app(scope, receive, send)

    async def _authenticate(self, scope: AsgiScope) -> Token:
        secret = _bearer_of(scope)
        if secret is None:
            raise Trouble(401, "no-token", "Send a token: Authorization: Bearer ...", headers=_CHALLENGE)
        try:
            token = await self._find_token(secret)
        except (MailerError, TimeoutError):
            raise Trouble(
                503,
                "unavailable",
                "The database does not answer. Try again later.",
                headers={"Retry-After": "5"},
            ) from None
        if token is None:
            raise Trouble(
                401, "invalid-token", "The token is unknown, expired or revoked.", headers=_CHALLENGE
            )
        wait = self._rate.take(token.id, token.requests_per_second)
        if wait:
            raise Trouble(
                429,
                "too-many-requests",
                f"This token may make {token.requests_per_second} requests a second.",
                headers={"Retry-After": str(math.ceil(wait))},
            )
        self._on_use(token)
        _check_length(scope)
        return token


def _bearer_of(scope: AsgiScope) -> str | None:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) != 1:
        return None
    kind, _, secret = values[0].decode("latin-1").partition(" ")
    return secret.strip() if kind.lower() == "bearer" and secret.isascii() else None


def _check_length(scope: AsgiScope) -> None:
    """Raise Trouble for a body whose length is too large. Starlette bounds the others, and answers these without a problem."""
    named = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if int(named) > LARGEST_BODY:
        raise Trouble(413, "content-too-large", f"A body may have {LARGEST_BODY:,} bytes.")


def require(scope: Scope) -> Callable[..., Awaitable[Token]]:
    """A dependency: the token, which must have `scope`. Raises Trouble (403)."""

    async def token_of(request: Request, _: object = Security(_bearer)) -> Token:
        token: Token = request.state.token
        if scope not in token.scopes:
            raise Trouble(403, "missing-scope", f"The token lacks the scope {scope}.")
        return token

    return token_of


async def any_token(request: Request, _: object = Security(_bearer)) -> Token:
    """A dependency: the token, with any scopes."""
    token: Token = request.state.token
    return token
