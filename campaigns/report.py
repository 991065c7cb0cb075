"""What became of a campaign."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from campaigns import catalogue, deliveries
from campaigns.models import Campaign, CampaignState, DeliveryState
from subscribers import audience


@dataclass(frozen=True, slots=True)
class Status:
    """The counts of a campaign. They add up to `audience`, which before the start is who agrees today.

    `next_due_at` is when `mailer run-due` has something to do for it: start it as scheduled, or try again.
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
    in_flight: int
    next_due_at: datetime | None
    paused_because: str | None

    def line(self) -> str:
        """All that is worth saying, on one line."""
        numbers = {
            "accepted": self.accepted,
            "pending": self.pending + self.in_flight,
            "deferred": self.deferred,
            "rejected": self.rejected,
            "withheld": self.withheld,
            "uncertain": self.uncertain,
            "cancelled": self.cancelled,
        }
        said = [f"{number:,} {name}" for name, number in numbers.items() if number or name == "accepted"]
        return f"{self.slug}: {self.state}, {', '.join(said)}, of {self.audience:,}"


def status(connection: Connection, record: Campaign) -> Status:
    """The counts as they are at this moment."""
    campaign_id = record.id or 0
    found = deliveries.counts(connection, campaign_id)
    started = record.started_at is not None
    return Status(
        slug=record.slug,
        state=record.state,
        audience=sum(found.values()) if started else audience.count(connection, record.topic),
        pending=found.get(DeliveryState.PENDING, 0) + found.get(DeliveryState.CLAIMED, 0),
        accepted=found.get(DeliveryState.ACCEPTED, 0),
        deferred=found.get(DeliveryState.DEFERRED, 0),
        rejected=found.get(DeliveryState.REJECTED, 0),
        withheld=found.get(DeliveryState.WITHHELD, 0),
        uncertain=found.get(DeliveryState.UNCERTAIN, 0),
        cancelled=found.get(DeliveryState.CANCELLED, 0),
        in_flight=found.get(DeliveryState.ATTEMPTING, 0),
        next_due_at=deliveries.next_due(connection, campaign_id)
        if started
        else catalogue.planned(connection, record),
        paused_because=record.paused_because,
    )
