"""Access tokens of the API: their scopes and expiry.

`tokens` is the core. `store` stores tokens in the database, as hashes. `rate` limits the requests of each
token.
"""

from __future__ import annotations

from mailer.access.rate import RequestRate
from mailer.access.store import KnownTokens, create, ended_tokens, list_all, revoke
from mailer.access.tokens import Scope, Token, hash_of

__all__ = [
    "KnownTokens",
    "RequestRate",
    "Scope",
    "Token",
    "create",
    "ended_tokens",
    "hash_of",
    "list_all",
    "revoke",
]
