"""The people who left after a campaign, from the consent ledger. Nobody is followed: a person who leaves says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from campaigns.campaign import Campaign
from campaigns.deliveries import campaign as campaign_table
from campaigns.deliveries import delivery
from campaigns.states import DeliveryState
from mailer.database import AnyOf
from subscribers.kinds import Channel
from subscribers.ledger import leavings

DAYS = 14
"""Who leaves later than this after the mail is not counted."""


class Leaving(NamedTuple):
    """Somebody who got the campaign's mail at `mailed_at` left at `left_at`."""

    mailed_at: datetime
    left_at: datetime
    channel: Channel


@dataclass(frozen=True, slots=True)
class LeaverDay:
    """The people who left on one day after their mail, 0 for the first 24 hours: by the button of their mail program,
    on the unsubscribe page, or otherwise.
    """

    day: int
    one_click: int
    page: int
    otherwise: int

    @property
    def total(self) -> int:
        """All who left on that day."""
        return self.one_click + self.page + self.otherwise


@dataclass(frozen=True, slots=True)
class Leavers:
    """The people who left within 14 days after their mail, of those who were `mailed`.

    `is_complete` once these days have passed for everybody.
    """

    mailed: int
    total: int
    days: tuple[LeaverDay, ...]
    is_complete: bool


def read_leavers(connection: Connection, campaign: Campaign, now: datetime) -> Leavers:
    """The people who left after the campaign and before a later mail on its topic.

    Deliveries whose rows were deleted are not in it.
    """
    accepted = (delivery.c.campaign_id == campaign.id, delivery.c.state == DeliveryState.ACCEPTED)
    mailed, last = connection.execute(
        select(func.count(), func.max(delivery.c.completed_at)).where(*accepted)
    ).one()
    left = leavings(campaign.topic)
    statement = (
        select(delivery.c.subscriber_id, delivery.c.completed_at, left.c.recorded_at, left.c.channel)
        .select_from(delivery.join(left, left.c.subscriber_id == delivery.c.subscriber_id))
        .where(*accepted, left.c.id > delivery.c.ledger_entry)
        .order_by(left.c.id)
    )
    found: dict[int, Leaving] = {}
    for person, mailed_at, left_at, channel in connection.execute(statement):
        found.setdefault(person, Leaving(mailed_at, left_at, channel))
    within = {
        person: one for person, one in found.items() if one.left_at - one.mailed_at < timedelta(days=DAYS)
    }
    later = _mailed_later(connection, campaign, within)
    counted = count_by_day(one for person, one in within.items() if person not in later)
    is_complete = last is not None and now - last >= timedelta(days=DAYS)
    return Leavers(mailed, sum(one.total for one in counted), counted, is_complete)


def count_by_day(leavings: Iterable[Leaving]) -> tuple[LeaverDay, ...]:
    """The number of people who left on each day after their mail."""
    counts: Counter[tuple[int, str]] = Counter()
    for one in leavings:
        day = max((one.left_at - one.mailed_at) // timedelta(days=1), 0)
        counts[day, one.channel if one.channel in {Channel.ONE_CLICK, Channel.PAGE} else ""] += 1
    return tuple(
        LeaverDay(day, counts[day, Channel.ONE_CLICK], counts[day, Channel.PAGE], counts[day, ""])
        for day in range(DAYS)
    )


def _mailed_later(connection: Connection, campaign: Campaign, left: dict[int, Leaving]) -> set[int]:
    """Those who got another mail on the topic between this one and their leaving: they left after that one."""
    if not left:
        return set()
    others = select(campaign_table.c.id).where(
        campaign_table.c.topic == campaign.topic, campaign_table.c.id != campaign.id
    )
    statement = select(delivery.c.subscriber_id, delivery.c.completed_at).where(
        delivery.c.campaign_id.in_(others),
        delivery.c.state == DeliveryState.ACCEPTED,
        AnyOf(delivery.c.subscriber_id, list(left)),
    )
    return {
        person
        for person, at in connection.execute(statement)
        if left[person].mailed_at < at <= left[person].left_at
    }
