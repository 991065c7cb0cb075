"""The due times of campaigns, and the start of due campaigns."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from campaigns.campaign import Campaign
from campaigns.catalogue import find
from campaigns.lifecycle import Act
from campaigns.states import CampaignState
from campaigns.tables import campaign, schedule
from campaigns.timing import DueTime, Missed
from campaigns.transitions import change_state


def plan(connection: Connection, campaign_id: int, due: DueTime) -> None:
    """Store the due time of a campaign. It replaces an earlier one."""
    forget(connection, campaign_id)
    connection.execute(
        insert(schedule).values(
            campaign_id=campaign_id,
            due_at=due.at,
            wall_time=due.wall_time,
            zone=due.zone,
            start_before=due.start_before,
        )
    )


def forget(connection: Connection, campaign_id: int) -> None:
    """Delete a campaign's due time."""
    connection.execute(delete(schedule).where(schedule.c.campaign_id == campaign_id))


def due_at(connection: Connection, found: Campaign) -> datetime | None:
    """The due time of a campaign; None if it is not scheduled."""
    if found.state is not CampaignState.SCHEDULED:
        return None
    statement = select(schedule.c.due_at).where(schedule.c.campaign_id == found.id)
    at: datetime = connection.execute(statement).scalar_one()
    return at


def slugs_due(connection: Connection, now: datetime) -> list[str]:
    """The scheduled campaigns that are due, the earliest first."""
    statement = (
        select(campaign.c.slug)
        .join(schedule, schedule.c.campaign_id == campaign.c.id)
        .where(campaign.c.state == CampaignState.SCHEDULED, schedule.c.due_at <= now)
        .order_by(schedule.c.due_at)
    )
    return list(connection.execute(statement).scalars())


def start_if_due(connection: Connection, slug: str, now: datetime) -> Missed | None:
    """Start a scheduled campaign that is due; returns it if it is too late.

    Where several runs do this at once, the row's lock lets one of them start or miss the campaign.
    """
    row = connection.execute(
        select(schedule.c.id, schedule.c.wall_time, schedule.c.zone, schedule.c.start_before)
        .join(campaign, schedule.c.campaign_id == campaign.c.id)
        .where(campaign.c.slug == slug, campaign.c.state == CampaignState.SCHEDULED, schedule.c.due_at <= now)
        .with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return None
    found = find(connection, slug)
    if row.start_before < now:
        change_state(connection, found, Act.MISS, now)
        return Missed(slug, row.wall_time, row.zone)
    change_state(connection, found, Act.SEND, now)
    connection.execute(update(schedule).where(schedule.c.id == row.id).values(started_at=now))
    return None


def is_too_late(connection: Connection, campaign_id: int, now: datetime) -> bool:
    """Whether it is too late to start a scheduled campaign."""
    statement = select(schedule.c.start_before).where(schedule.c.campaign_id == campaign_id)
    start_before = connection.execute(statement).scalar_one_or_none()
    return start_before is not None and start_before < now


def set_window(connection: Connection, campaign_id: int, window: str | None) -> None:
    """Store the campaign's own send window, which overrides the settings; None for the settings' window."""
    connection.execute(update(campaign).where(campaign.c.id == campaign_id).values(send_window=window))


def slugs_being_sent(connection: Connection) -> list[str]:
    """The campaigns that are being sent, oldest first."""
    statement = (
        select(campaign.c.slug).where(campaign.c.state == CampaignState.SENDING).order_by(campaign.c.id)
    )
    return list(connection.execute(statement).scalars())
