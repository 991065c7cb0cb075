"""Decide which deliveries may be attempted now: first by the limits, then by the gate. Without limits only the gate."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from campaigns import deliveries
from campaigns.deliveries import Answer, Attempt, ClaimContext, Halted, held_back
from mailer.limits import AdmissionRequest, ProviderFull, RelayFull, Reservation

if TYPE_CHECKING:
    from mailer.limits.throttle import Throttle  # only where there are limits

# With RelayFull the worker keeps the claim; with ProviderFull the delivery is pending, and due when the limit allows.
PacedAnswer = Answer | RelayFull | ProviderFull


def claim(
    throttle: Throttle | None, connection: Connection, context: ClaimContext, now: datetime, limit: int
) -> dict[int, str | None]:
    """Claim up to `limit` due deliveries, those with a place in a queue first."""
    if throttle is None or not throttle.needs_domains:
        return deliveries.claim(connection, context, now, limit)
    first = held_back.claim_held_back(connection, context, now, limit)
    return first | deliveries.claim(connection, context, now, limit - len(first))


def attempt(
    throttle: Throttle | None,
    connection: Connection,
    context: ClaimContext,
    relays: Mapping[int, str],
    now: datetime,
) -> Mapping[int, PacedAnswer]:
    """Attempt the claimed deliveries that the limits admit. `relays` has the relay of each delivery."""
    if throttle is None or not relays:
        return deliveries.attempt(connection, context, list(relays), now)
    known = held_back.destinations(connection, list(relays), now) if throttle.needs_domains else {}
    requests = [
        AdmissionRequest(number, relay, *known.get(number, (None,))) for number, relay in relays.items()
    ]
    in_flight = partial(held_back.domains_in_flight, connection) if throttle.limits_connections else tuple
    admissions = throttle.admit(connection, requests, now, in_flight)
    admitted = {number: one.at for number, one in admissions.items() if isinstance(one, Reservation)}
    passed = deliveries.attempt(connection, context, list(admitted), now)
    full = {number: one for number, one in admissions.items() if not isinstance(one, Reservation)}
    held = {number: one for number, one in full.items() if isinstance(one, ProviderFull)}
    held_back.hold_back(connection, context, held)
    answers: dict[int, PacedAnswer] = {
        number: one._replace(not_before=admitted[number]) if isinstance(one, Attempt) else one
        for number, one in passed.items()
    }
    if full and not deliveries.is_being_sent(connection, context.campaign_id):
        return answers | dict.fromkeys(full, Halted())
    return answers | full
