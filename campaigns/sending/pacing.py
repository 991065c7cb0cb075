"""Which of the wanted deliveries may be attempted just now: the limits, and then the gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from sqlalchemy import Connection

from campaigns import deliveries
from campaigns.deliveries import Answer, Attempt, ClaimContext, Halted, held_back
from mailer.limits import Admission, AdmissionRequest, ProviderFull, RelayFull, Reservation, Throttle


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The recipient's provider is to get no more for now; the delivery is pending, and due when it is."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """The relay is to get no more before `until`; the claim is kept."""

    until: datetime


PacedAnswer = Answer | HeldBack | NotYet


class Pacing:
    """The throttle before the gate, in the transaction of both. Without limits it is the gate alone."""

    def __init__(self, throttle: Throttle | None = None) -> None:
        self._throttle = throttle

    def claim(self, connection: Connection, context: ClaimContext, now: datetime, limit: int) -> list[int]:
        """Claim up to `limit` deliveries that are due, those with an appointment first."""
        if self._throttle is None or not self._throttle.minds_domains:
            return deliveries.claim(connection, context, now, limit)
        first = held_back.claim(connection, context, now, limit)
        return first + deliveries.claim(connection, context, now, limit - len(first))

    def attempt(
        self, connection: Connection, context: ClaimContext, wanted: Mapping[int, str], now: datetime
    ) -> Mapping[int, PacedAnswer]:
        """Pass the gate with those of `wanted` (claimed delivery -> relay) that the limits let through."""
        if self._throttle is None or not wanted:
            return deliveries.attempt(connection, context, list(wanted), now)
        admissions = _admissions(self._throttle, connection, wanted, now)
        slots = {number: one.at for number, one in admissions.items() if isinstance(one, Reservation)}
        passed = deliveries.attempt(connection, context, list(slots), now)
        held = {number: one for number, one in admissions.items() if isinstance(one, ProviderFull)}
        held_back.put(connection, context, held)
        going_on = len(passed) == len(wanted) or deliveries.is_being_sent(connection, context.campaign_id)
        return {
            number: _answer(admission, passed.get(number), going_on=going_on)
            for number, admission in admissions.items()
        }


def _admissions(
    throttle: Throttle, connection: Connection, wanted: Mapping[int, str], now: datetime
) -> dict[int, Admission]:
    known = held_back.destinations(connection, list(wanted), now) if throttle.minds_domains else {}
    asks = [AdmissionRequest(number, relay, *known.get(number, (None,))) for number, relay in wanted.items()]

    def in_the_air() -> list[str]:
        return held_back.domains_in_the_air(connection) if throttle.counts_connections else []

    return throttle.admit(connection, asks, now, in_the_air)


def _answer(admission: Admission, passed: Answer | None, *, going_on: bool) -> PacedAnswer:
    match admission:
        case Reservation(at=at):
            return passed._replace(not_before=at) if isinstance(passed, Attempt) else passed or Halted()
        case ProviderFull():
            return HeldBack() if going_on else Halted()
        case RelayFull(until=until):
            return NotYet(until) if going_on else Halted()
        case _:
            assert_never(admission)
