"""The requests of account systems, and their outcomes. Values without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from subscribers.account.idempotency import RequestFingerprint
from subscribers.address import EmailAddress
from subscribers.people import Names
from subscribers.rights import Correction

Who: TypeAlias = EmailAddress | int
"""A person, by address or by subscriber number."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Record a consent. `wording` is the SHA-256 (hex) of the shown text. `source` is free text, such as a
    page.
    """

    address: EmailAddress
    names: Names
    topic: str
    given_at: datetime
    wording: str
    source: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Withdraw the consent on `topic`, or on every topic (``*``). `at` is when the person acted; None means
    now.
    """

    who: Who
    topic: str
    at: datetime | None
    source: str


@dataclass(frozen=True, slots=True)
class Rectify:
    """Correct what is on file."""

    who: Who
    correction: Correction
    source: str


@dataclass(frozen=True, slots=True)
class Erase:
    """Erase a person."""

    who: Who
    source: str


Request: TypeAlias = Grant | Withdraw | Rectify | Erase


@dataclass(frozen=True, slots=True)
class SubmittedRequest:
    """A request, and its fingerprint where it has an Idempotency-Key."""

    request: Request
    fingerprint: RequestFingerprint | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer: an HTTP status, and the values of a JSON object without an address.

    `former` is the address, and its normalised spelling, that a correction or an erasure removed.
    """

    status: int
    values: Mapping[str, Any]
    former: tuple[str, str] | None = None

    @property
    def is_problem(self) -> bool:
        """Whether the answer is an error."""
        return self.status >= 400


def problem(status: int, code: str, detail: str, *, field: str | None = None) -> Outcome:
    """An error (RFC 9457). `code` names its kind, `field` the invalid member of the request."""
    values: dict[str, Any] = {"code": code, "detail": detail}
    if field is not None:
        values["errors"] = [{"field": field, "detail": detail}]
    return Outcome(status, values)
