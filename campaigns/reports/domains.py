"""What became of a campaign's mails, by the domain of the recipient. Small domains are not named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from campaigns.deliveries import delivery, subscriber
from campaigns.states import DeliveryState
from mailer.database import text_after

MIN_RECIPIENTS = 5
"""A domain with fewer recipients is not named: it may lead to a person."""

_OPEN = frozenset(
    {DeliveryState.PENDING, DeliveryState.CLAIMED, DeliveryState.ATTEMPTING, DeliveryState.DEFERRED}
)


class DomainDeliveries(NamedTuple):
    """The number of deliveries in a state to one domain; None where the person is no longer on file."""

    domain: str | None
    state: DeliveryState
    number: int


@dataclass(frozen=True, slots=True)
class DomainCount:
    """The deliveries to one domain. `domain` is None for all others together, `domains` the number of those.

    `open` are the deliveries that have not ended, `otherwise` those that ended without an answer or were not sent.
    """

    domain: str | None
    domains: int
    recipients: int
    accepted: int
    rejected: int
    open: int
    otherwise: int


def count_by_domain(connection: Connection, campaign_id: int) -> list[DomainCount]:
    """The deliveries by domain, the largest first, the others at the end. Rows that were deleted are not in it."""
    domain = text_after(connection, subscriber.c.email_normalised, "@").label("domain")
    mails = (
        select(domain, delivery.c.state)
        .select_from(delivery)
        .outerjoin(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .where(delivery.c.campaign_id == campaign_id)
        .subquery()
    )
    grouped = select(mails.c.domain, mails.c.state, func.count()).group_by(mails.c.domain, mails.c.state)
    return pool(DomainDeliveries(*row) for row in connection.execute(grouped))


def pool(found: Iterable[DomainDeliveries]) -> list[DomainCount]:
    """The counts of each domain with enough recipients, and of all others together.

    People who are no longer on file are among the others.
    """
    by_domain: dict[str | None, Counter[DeliveryState]] = {}
    for one in found:
        by_domain.setdefault(one.domain, Counter())[one.state] += one.number
    named = {name: states for name, states in by_domain.items() if name and states.total() >= MIN_RECIPIENTS}
    others = [states for name, states in by_domain.items() if name not in named]
    counts = [_count(name, 1, states) for name, states in named.items()]
    counts.sort(key=lambda one: (-one.recipients, one.domain or ""))
    if others:
        domains = len(others) - (None in by_domain)
        counts.append(_count(None, domains, sum(others, Counter[DeliveryState]())))
    return counts


def merge_smaller(counts: Sequence[DomainCount], most: int) -> list[DomainCount]:
    """At most so many rows: the largest domains, and all others together."""
    if len(counts) <= most:
        return list(counts)
    rest = counts[most - 1 :]
    merged = {
        field.name: sum(getattr(one, field.name) for one in rest)
        for field in fields(DomainCount)
        if field.name != "domain"
    }
    return [*counts[: most - 1], DomainCount(None, **merged)]


def _count(domain: str | None, domains: int, states: Mapping[DeliveryState, int]) -> DomainCount:
    accepted = states.get(DeliveryState.ACCEPTED, 0)
    rejected = states.get(DeliveryState.REJECTED, 0)
    still_open = sum(number for state, number in states.items() if state in _OPEN)
    recipients = sum(states.values())
    otherwise = recipients - accepted - rejected - still_open
    return DomainCount(domain, domains, recipients, accepted, rejected, still_open, otherwise)
