"""An access token: what it may do and until when. Values and rules without I/O."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

# Recognisable to those who scan for leaked secrets.
PREFIX = "rmt_"
SECRET_BYTES = 32


class Scope(StrEnum):
    """What a token may do."""

    CONSENTS_WRITE = "consents:write"
    CONSENTS_READ = "consents:read"
    CHANGES_READ = "changes:read"
    RIGHTS_WRITE = "rights:write"
    WORDINGS_WRITE = "wordings:write"


@dataclass(frozen=True, slots=True)
class Token:
    """A token on file. `last_used_on` is a day (``2026-05-01``), so that it tells no more about a system's users."""

    id: str
    name: str
    scopes: frozenset[Scope]
    requests_per_second: int
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_on: str | None

    def is_valid(self, now: datetime) -> bool:
        """Whether it may be used at all."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def new_secret() -> str:
    """A token as it is shown once: 256 random bits, so that one round of SHA-256 protects it."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def hash_of(secret: str) -> str:
    """What is stored of a token."""
    return sha256(secret.encode()).hexdigest()
