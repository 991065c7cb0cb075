"""The access tokens in the database."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Integer, Row, String, Table, insert, or_, select, update

from mailer.access.tokens import Scope, Token, hash_of, new_secret
from mailer.database import TABLES, Clock, Database, UTCDateTime
from mailer.errors import NotFound
from mailer.retention import ExpiredRows

REFRESH_SECONDS = 1.0
TOKEN = Table(
    "access_token",
    TABLES,
    Column("id", String(16), primary_key=True),
    Column("name", String(100)),
    Column("secret_hash", String(64)),
    Column("scopes", String(200)),
    Column("requests_per_second", Integer),
    Column("created_at", UTCDateTime),
    Column("expires_at", UTCDateTime),
    Column("revoked_at", UTCDateTime),
    Column("last_used_on", String(10)),
)


def ended_tokens(before: datetime) -> ExpiredRows:
    """The tokens that expired or were revoked before `before`."""
    ended = or_(TOKEN.c.expires_at <= before, TOKEN.c.revoked_at <= before)
    return ExpiredRows("access_tokens", TOKEN.c.id, ended)


def create(
    connection: Connection,
    name: str,
    scopes: Collection[Scope],
    *,
    requests_per_second: int,
    expires_at: datetime | None,
    now: datetime,
) -> tuple[str, str]:
    """A new token; returns its id and its secret, which is stored nowhere. Needs a writing transaction."""
    token_id, secret = secrets.token_hex(6), new_secret()
    row = {
        "id": token_id,
        "name": name,
        "secret_hash": hash_of(secret),
        "scopes": " ".join(sorted(scopes)),
        "requests_per_second": requests_per_second,
        "created_at": now,
        "expires_at": expires_at,
    }
    connection.execute(insert(TOKEN), row)
    return token_id, secret


def list_all(connection: Connection) -> list[Token]:
    """All tokens, including revoked and expired ones, oldest first."""
    return [_token(row) for row in connection.execute(select(TOKEN).order_by(TOKEN.c.created_at, TOKEN.c.id))]


def revoke(connection: Connection, token_id: str, now: datetime) -> None:
    """Revoke a token now. A revoked token keeps its time. Raises NotFound."""
    if connection.execute(select(TOKEN.c.id).where(TOKEN.c.id == token_id)).first() is None:
        raise NotFound(f"There is no token {token_id[:20]!r}.", hint="List them: `mailer keys api list`.")
    connection.execute(
        update(TOKEN).where(TOKEN.c.id == token_id, TOKEN.c.revoked_at.is_(None)).values(revoked_at=now)
    )


class KnownTokens:
    """The tokens, to be read again once a second. So each process refuses a revoked token within a second."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._by_hash: dict[str, Token] = {}
        self._read_at = float("-inf")
        self._noted: set[tuple[str, str]] = set()

    @property
    def is_outdated(self) -> bool:
        """Whether it is time for `refresh`."""
        return time.monotonic() - self._read_at >= REFRESH_SECONDS

    def refresh(self) -> None:
        """Read the tokens. Raises MailerError."""
        with self._database.read() as connection:
            rows = connection.execute(select(TOKEN).where(TOKEN.c.revoked_at.is_(None))).all()
        self._by_hash = {row.secret_hash: _token(row) for row in rows}
        self._read_at = time.monotonic()

    def find(self, secret: str) -> Token | None:
        """The valid token with this secret, as of the last `refresh`; None where there is none."""
        token = self._by_hash.get(hash_of(secret))
        return token if token is not None and token.is_valid(self._clock()) else None

    def is_to_note(self, token: Token) -> bool:
        """Whether this process has yet to record that `token` was used today."""
        today = f"{self._clock():%Y-%m-%d}"
        if token.last_used_on == today or (token.id, today) in self._noted:
            return False
        self._noted.add((token.id, today))
        return True

    def forget_use(self, token: Token) -> None:
        """The use of `token` could not be recorded: record the next one."""
        self._noted = {(token_id, day) for token_id, day in self._noted if token_id != token.id}


def note_use(connection: Connection, token_id: str, now: datetime) -> None:
    """Record the day on which a token was used. Needs a writing transaction."""
    today = f"{now:%Y-%m-%d}"
    is_new = or_(TOKEN.c.last_used_on.is_(None), TOKEN.c.last_used_on < today)
    connection.execute(update(TOKEN).where(TOKEN.c.id == token_id, is_new).values(last_used_on=today))


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        scopes=frozenset(Scope(word) for word in row.scopes.split() if word in set(Scope)),
        requests_per_second=row.requests_per_second,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_on=row.last_used_on,
    )
