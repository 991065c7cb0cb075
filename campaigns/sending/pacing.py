"""Decide which deliveries may be attempted now: first by the limits, then by the gate."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, assert_never

from sqlalchemy import Connection

from campaigns import deliveries
from campaigns.deliveries import Answer, Attempt, ClaimContext, Halted, held_back
from mailer.limits import Admission, AdmissionRequest, ProviderFull, RelayFull, Reservation

if TYPE_CHECKING:
    from mailer.limits.throttle import Throttle  # only where there are limits


class HeldBack:
    """A limit of the recipient's provider holds the delivery back: pending, and due when the limit allows."""


class NotYet(NamedTuple):
    """A limit of the relay allows no mail before `until`. The worker keeps the claim."""

    until: datetime


PacedAnswer = Answer | HeldBack | NotYet


class Pacing:
    """The throttle and then the gate, in one transaction. Without limits only the gate."""

    def __init__(self, throttle: Throttle | None = None) -> None:
        self._throttle = throttle

    @property
    def is_limited(self) -> bool:
        """Whether there are limits."""
        return self._throttle is not None

    def claim(
        self, connection: Connection, context: ClaimContext, now: datetime, limit: int
    ) -> dict[int, str | None]:
        """Claim up to `limit` due deliveries, those with a place in a queue first."""
        if self._throttle is None or not self._throttle.needs_domains:
            return deliveries.claim(connection, context, now, limit)
        first = held_back.claim_held_back(connection, context, now, limit)
        return first | deliveries.claim(connection, context, now, limit - len(first))

    def attempt(
        self, connection: Connection, context: ClaimContext, relays: Mapping[int, str], now: datetime
    ) -> Mapping[int, PacedAnswer]:
        """Attempt the claimed deliveries that the limits admit. `relays` has the relay of each delivery."""
        if self._throttle is None or not relays:
            return deliveries.attempt(connection, context, list(relays), now)
        admissions = _admissions(self._throttle, connection, relays, now)
        admitted = [number for number, one in admissions.items() if isinstance(one, Reservation)]
        passed = deliveries.attempt(connection, context, admitted, now)
        held = {number: one for number, one in admissions.items() if isinstance(one, ProviderFull)}
        held_back.hold_back(connection, context, held)
        is_being_sent = len(passed) == len(relays) or deliveries.is_being_sent(
            connection, context.campaign_id
        )
        return {
            number: _answer(admission, passed.get(number), is_being_sent=is_being_sent)
            for number, admission in admissions.items()
        }


def _admissions(
    throttle: Throttle, connection: Connection, relays: Mapping[int, str], now: datetime
) -> dict[int, Admission]:
    known = held_back.destinations(connection, list(relays), now) if throttle.needs_domains else {}
    requests = [
        AdmissionRequest(number, relay, *known.get(number, (None,))) for number, relay in relays.items()
    ]

    def in_flight() -> list[str]:
        return held_back.domains_in_flight(connection) if throttle.limits_connections else []

    return throttle.admit(connection, requests, now, in_flight)


def _answer(admission: Admission, passed: Answer | None, *, is_being_sent: bool) -> PacedAnswer:
    match admission:
        case Reservation(at=at):
            return passed._replace(not_before=at) if isinstance(passed, Attempt) else passed or Halted()
        case ProviderFull():
            return HeldBack() if is_being_sent else Halted()
        case RelayFull(until=until):
            return NotYet(until) if is_being_sent else Halted()
        case _:
            assert_never(admission)
