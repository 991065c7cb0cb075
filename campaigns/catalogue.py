"""The campaigns on file: create, find, freeze, and change their state."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update
from sqlmodel import Session, col
from sqlmodel import select as select_model

from campaigns import deliveries
from campaigns.lifecycle import Act, after
from campaigns.models import Campaign, CampaignImage, CampaignState, Schedule
from campaigns.notes import content_hash, dump_notes
from campaigns.timing import DueTime, Missed
from mailer.database import table
from mailer.errors import InvalidInput, NotFound, Refused
from mailer.message import InlineImage
from templates.language import parse_locale
from templates.lint import read_mail_html
from templates.notes import ReleaseNotes, RenderedNotes

campaign = table(Campaign)
image = table(CampaignImage)
schedule = table(Schedule)

SLUG = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}")


def slug_of(words: str) -> str:
    """A short name for a campaign from a title: ASCII, lower case, dashes; empty if nothing remains."""
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9.]+", "-", plain).strip("-.")[:60].rstrip("-.")


def create(
    connection: Connection, slug: str, notes: ReleaseNotes, images: Mapping[str, InlineImage], now: datetime
) -> Campaign:
    """Put a draft on file. Raises InvalidInput for a slug that does not do or is taken."""
    if not SLUG.fullmatch(slug):
        raise InvalidInput(
            f"{slug!r} does not do as a slug", where="--slug", hint="Use a-z, 0-9, dots and dashes."
        )
    if connection.execute(select(campaign.c.id).where(campaign.c.slug == slug)).first():
        raise InvalidInput(
            f"there is a campaign {slug!r} already", where="--slug", hint="Give another --slug."
        )
    values = {
        "slug": slug,
        "topic": notes.topic,
        "locale": notes.locale,
        "state": CampaignState.DRAFT,
        "notes": dump_notes(notes),
        "created_at": now,
    }
    campaign_id = connection.execute(insert(campaign).values(values).returning(campaign.c.id)).scalar_one()
    _store_images(connection, campaign_id, images.items())
    return find(connection, slug)


def find(connection: Connection, slug: str) -> Campaign:
    """The campaign of that name. Raises NotFound."""
    with Session(connection, expire_on_commit=False) as session:
        found = session.exec(select_model(Campaign).where(Campaign.slug == slug)).first()
    if found is None:
        raise NotFound(f"There is no campaign {slug!r}.", hint="`mailer campaigns list` shows what there is.")
    return found


def all_campaigns(connection: Connection) -> list[Campaign]:
    """All campaigns, newest first."""
    with Session(connection, expire_on_commit=False) as session:
        return list(session.exec(select_model(Campaign).order_by(col(Campaign.id).desc())))


def images_of(connection: Connection, campaign_id: int) -> dict[str, InlineImage]:
    """The pictures of a campaign by their source."""
    rows = connection.execute(
        select(image).where(image.c.campaign_id == campaign_id).order_by(image.c.source)
    )
    return {row.source: InlineImage(row.content_id, row.content_type, row.data) for row in rows}


def freeze(connection: Connection, campaign_id: int, rendered: RenderedNotes, now: datetime) -> None:
    """Write the content once; from here on it is what everybody gets."""
    frozen = connection.execute(
        update(campaign)
        .where(campaign.c.id == campaign_id, campaign.c.frozen_at.is_(None))
        .values(
            subject=rendered.subject,
            html=rendered.html,
            text=rendered.text,
            content_hash=content_hash(rendered),
            frozen_at=now,
        )
    )
    if frozen.rowcount:
        sources = {kept.content_id: source for source, kept in images_of(connection, campaign_id).items()}
        connection.execute(delete(image).where(image.c.campaign_id == campaign_id))
        _store_images(
            connection, campaign_id, ((sources.get(one.content_id, ""), one) for one in rendered.images)
        )


def frozen_content(connection: Connection, record: Campaign) -> RenderedNotes:
    """The content as it was frozen.

    Raises Refused where it does not match its hash: somebody changed it behind our back.
    """
    rendered = RenderedNotes(
        subject=record.subject or "",
        preheader=read_mail_html(record.html or "").preheader,
        html=record.html or "",
        text=record.text or "",
        images=tuple(images_of(connection, record.id or 0).values()),
        locale=parse_locale(record.locale),
    )
    if content_hash(rendered) != record.content_hash:
        raise Refused(
            f"The content of campaign {record.slug!r} is not what was frozen (its hash differs).",
            hint="Cancel it and create it again from the notes.",
        )
    return rendered


def check(record: Campaign, act: Act, *, approval_required: bool) -> None:
    """Raise Refused where `act` may not be done, before the work that comes before it."""
    after(act, record.state, record.slug, approval_required=approval_required)


def change_state(connection: Connection, record: Campaign, act: Act, now: datetime) -> CampaignState:
    """Do `act`; what comes with it (enrolment, cancelling deliveries) is in the same transaction.

    Raises Refused where the state, as the database has it at this moment, does not allow it.
    """
    present = connection.execute(
        select(campaign.c.state).where(campaign.c.id == record.id).with_for_update()
    ).scalar_one()
    state = after(act, present, record.slug)
    values: dict[str, object] = {"state": state}
    match act:
        case Act.APPROVE if present is not state:
            values["approved_at"] = now
        case Act.SEND if present is not state:
            values |= {"started_at": now, "paused_because": None}
            deliveries.enrol(connection, record.id or 0, record.topic, now)
        case Act.RESUME:
            values["paused_because"] = None
        case Act.FINISH:
            values["finished_at"] = now
        case Act.CANCEL if present is not state:
            values["finished_at"] = now
            deliveries.cancel_open(connection, record.id or 0, now)
        case _:
            pass
    connection.execute(update(campaign).where(campaign.c.id == record.id).values(values))
    return state


def pause_because(connection: Connection, campaign_id: int, reason: str) -> None:
    """Stop a campaign that is being sent, and keep the reason for the operator."""
    connection.execute(
        update(campaign)
        .where(campaign.c.id == campaign_id, campaign.c.state == CampaignState.SENDING)
        .values(state=CampaignState.PAUSED, paused_because=reason)
    )


def finish_if_done(connection: Connection, campaign_id: int, now: datetime) -> bool:
    """Finish a campaign of which no delivery can change by itself any more."""
    if deliveries.is_open(connection, campaign_id):
        return False
    statement = (
        update(campaign)
        .where(campaign.c.id == campaign_id, campaign.c.state == CampaignState.SENDING)
        .values(state=CampaignState.FINISHED, finished_at=now)
    )
    return connection.execute(statement).rowcount == 1


def plan(connection: Connection, campaign_id: int, due: DueTime) -> None:
    """Note when a campaign is to go out, in place of an earlier time."""
    connection.execute(delete(schedule).where(schedule.c.campaign_id == campaign_id))
    connection.execute(
        insert(schedule).values(
            campaign_id=campaign_id,
            due_at=due.at,
            wall_time=due.wall_time,
            zone=due.zone,
            start_before=due.start_before,
        )
    )


def planned(connection: Connection, record: Campaign) -> datetime | None:
    """When a campaign is to begin, while it is scheduled."""
    if record.state is not CampaignState.SCHEDULED:
        return None
    statement = select(schedule.c.due_at).where(schedule.c.campaign_id == record.id)
    at: datetime = connection.execute(statement).scalar_one()
    return at


def start_due(connection: Connection, now: datetime) -> list[Missed]:
    """Begin the scheduled campaigns whose time has come; returns those for which it is too late by now.

    Of several runs at once, the database lets one start or miss each: the row that is updated says who.
    """
    due = connection.execute(
        select(
            campaign.c.slug,
            schedule.c.id,
            schedule.c.wall_time,
            schedule.c.zone,
            schedule.c.start_before,
        )
        .join(schedule, schedule.c.campaign_id == campaign.c.id)
        .where(campaign.c.state == CampaignState.SCHEDULED, schedule.c.due_at <= now)
        .order_by(schedule.c.due_at)
        .with_for_update(skip_locked=True)
    ).all()
    missed = []
    for slug, run_id, wall_time, zone, start_before in due:
        if start_before < now:
            change_state(connection, find(connection, slug), Act.MISS, now)
            missed.append(Missed(slug, wall_time, zone))
        else:
            change_state(connection, find(connection, slug), Act.SEND, now)
            connection.execute(update(schedule).where(schedule.c.id == run_id).values(started_at=now))
    return missed


def set_window(connection: Connection, campaign_id: int, window: str | None) -> None:
    """Note the campaign's own send window, which holds in place of the settings'; None for theirs."""
    connection.execute(update(campaign).where(campaign.c.id == campaign_id).values(send_window=window))


def being_sent(connection: Connection) -> list[str]:
    """The campaigns that are being sent, oldest first."""
    statement = (
        select(campaign.c.slug).where(campaign.c.state == CampaignState.SENDING).order_by(campaign.c.id)
    )
    return list(connection.execute(statement).scalars())


def _store_images(
    connection: Connection, campaign_id: int, images: Iterable[tuple[str, InlineImage]]
) -> None:
    rows = [
        {
            "campaign_id": campaign_id,
            "source": source,
            "content_id": one.content_id,
            "content_type": one.content_type,
            "data": one.data,
        }
        for source, one in images
    ]
    if rows:
        connection.execute(insert(image), rows)
