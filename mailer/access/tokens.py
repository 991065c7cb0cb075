"""An access token with its scopes and expiry. Values and rules without I/O."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

# Scanners for leaked secrets recognise it.
PREFIX = "rmt_"
SECRET_BYTES = 32


class Scope(StrEnum):
    """A permission of a token."""

    CONSENTS_WRITE = "consents:write"
    CONSENTS_READ = "consents:read"
    CHANGES_READ = "changes:read"
    RIGHTS_WRITE = "rights:write"
    WORDINGS_WRITE = "wordings:write"


@dataclass(frozen=True, slots=True)
class Token:
    """A stored token. `last_used_on` is a day (``2026-05-01``), so that it reveals little about the users of
    a system.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    requests_per_second: int
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_on: str | None

    def is_valid(self, now: datetime) -> bool:
        """Whether the token is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def new_secret() -> str:
    """A new token, which is shown once. It has 256 random bits, so one round of SHA-256 protects it."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def hash_of(secret: str) -> str:
    """The hash of a token, which is stored."""
    return sha256(secret.encode()).hexdigest()
