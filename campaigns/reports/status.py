"""Read the counts of a campaign, and its deliveries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Row, func, select

from campaigns import schedules
from campaigns.campaign import Campaign
from campaigns.deliveries import CLAIMABLE, delivery, subscriber
from campaigns.states import CampaignState, DeliveryState
from campaigns.tables import delivery_count
from mailer.quantity import quantity
from subscribers import audience


class CampaignStatus(NamedTuple):
    """The counts of a campaign. Their sum is `audience`. Before the start, `audience` is the current number of consents.

    `next_due_at` is when `mailer run-due` must act: start the campaign, or retry deliveries.
    """

    slug: str
    state: CampaignState
    audience: int
    pending: int
    accepted: int
    deferred: int
    rejected: int
    withheld: int
    uncertain: int
    cancelled: int
    skipped: int
    in_flight: int
    next_due_at: datetime | None
    paused_because: str | None

    @property
    def planned_at(self) -> datetime | None:
        """When a scheduled campaign begins; None for one in another state."""
        return self.next_due_at if self.state is CampaignState.SCHEDULED else None

    def line(self) -> str:
        """Slug, state and counts on one line."""
        return f"{self.slug}: {self.state}, {self.counts()}"

    def counts(self) -> str:
        """The counts in words, without those that are zero."""
        numbers = {
            "accepted": self.accepted,
            "pending": self.pending + self.in_flight,
            "deferred": self.deferred,
            "rejected": self.rejected,
            "withheld": self.withheld,
            "uncertain": self.uncertain,
            "cancelled": self.cancelled,
            "skipped": self.skipped,
        }
        parts = [f"{number:,} {name}" for name, number in numbers.items() if number or name == "accepted"]
        return f"{', '.join(parts)}, of {self.audience:,}"

    def where_to_look(self) -> str:
        """The commands that show what was rejected or is uncertain, a line for each; empty where nothing is."""
        lines = []
        if self.rejected:
            lines.append(f"Why some were rejected: mailer deliveries list {self.slug} --state rejected")
        if self.uncertain:
            lines.append(f"{uncertain_mails(self.uncertain)}: {decide_uncertain(self.slug)}")
        return "\n".join(lines)


def uncertain_mails(number: int) -> str:
    """How many mails are uncertain, in words."""
    return f"{quantity(number, 'mail is', 'mails are')} uncertain"


def decide_uncertain(slug: str) -> str:
    """The commands with which a person decides about uncertain mails."""
    return f"mailer deliveries list {slug} --state uncertain, then mailer deliveries resolve {slug}"


def campaign_status(connection: Connection, campaign: Campaign) -> CampaignStatus:
    """The current counts."""
    campaign_id = campaign.id
    found = count_by_state(connection, campaign_id)
    started = campaign.started_at is not None
    return CampaignStatus(
        slug=campaign.slug,
        state=campaign.state,
        audience=sum(found.values()) if started else audience.count(connection, campaign.topic),
        pending=found.get(DeliveryState.PENDING, 0) + found.get(DeliveryState.CLAIMED, 0),
        accepted=found.get(DeliveryState.ACCEPTED, 0),
        deferred=found.get(DeliveryState.DEFERRED, 0),
        rejected=found.get(DeliveryState.REJECTED, 0),
        withheld=found.get(DeliveryState.WITHHELD, 0),
        uncertain=found.get(DeliveryState.UNCERTAIN, 0),
        cancelled=found.get(DeliveryState.CANCELLED, 0),
        skipped=found.get(DeliveryState.SKIPPED, 0),
        in_flight=found.get(DeliveryState.ATTEMPTING, 0),
        next_due_at=next_due(connection, campaign_id) if started else schedules.due_at(connection, campaign),
        paused_because=campaign.paused_because,
    )


def count_by_state(connection: Connection, campaign_id: int) -> dict[DeliveryState, int]:
    """The number of deliveries in each state that occurs, also of those whose rows were deleted at their end."""
    statement = (
        select(delivery.c.state, func.count().label("number"))
        .where(delivery.c.campaign_id == campaign_id)
        .group_by(delivery.c.state)
    )
    found = Counter({row.state: row.number for row in connection.execute(statement)})
    of_deleted = select(delivery_count.c.state, delivery_count.c.deliveries).where(
        delivery_count.c.campaign_id == campaign_id
    )
    for state, number in connection.execute(of_deleted):
        found[DeliveryState(state)] += number
    return dict(found)


def next_due(connection: Connection, campaign_id: int) -> datetime | None:
    """When the next claimable delivery is due; None if there is none."""
    statement = select(func.min(delivery.c.next_attempt_at)).where(
        delivery.c.campaign_id == campaign_id, CLAIMABLE
    )
    found: datetime | None = connection.execute(statement).scalar_one_or_none()
    return found


def list_deliveries(
    connection: Connection, campaign_id: int, state: DeliveryState | None = None
) -> Iterator[Row[tuple[object, ...]]]:
    """The deliveries of a campaign, each with the address if the person is still on file."""
    statement = (
        select(delivery, subscriber.c.email)
        .outerjoin(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .where(delivery.c.campaign_id == campaign_id)
        .order_by(delivery.c.id)
    )
    if state is not None:
        statement = statement.where(delivery.c.state == state)
    yield from connection.execution_options(yield_per=1000).execute(statement)
