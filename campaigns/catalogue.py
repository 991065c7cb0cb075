"""Campaigns in the database: create and find them, and freeze their content."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Select, delete, insert, select, update

from campaigns.campaign import Campaign
from campaigns.states import CampaignState
from campaigns.stored_content import content_hash, dump_notes
from campaigns.tables import campaign, digest_tick, image, translation
from mailer.errors import InvalidInput, NotFound, Refused
from mailer.message import InlineImage
from templates.language import parse_locale
from templates.notes import ReleaseNotes, RenderedNotes

if TYPE_CHECKING:
    from campaigns.source import NotesSource  # slow to import, and only those who have one give one

_COLUMNS = [campaign.c[name] for name in Campaign._fields]

LOGO = "logo:"  # begins the source of a logo; an image beside the notes has no scheme
SLUG = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}")


def slug_of(words: str) -> str:
    """A short name for a campaign from a title: ASCII, lower case, dashes; empty if nothing remains."""
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9.]+", "-", plain).strip("-.")[:60].rstrip("-.")


def check_new_slug(connection: Connection, slug: str) -> None:
    """Raise InvalidInput for a slug that can't be used or is taken."""
    if not SLUG.fullmatch(slug):
        raise InvalidInput(
            f"{slug!r} can't be a slug",
            where="--slug",
            hint="Use up to 100 of a-z, 0-9, dots and dashes; begin with a letter or a digit.",
        )
    if connection.execute(select(campaign.c.id).where(campaign.c.slug == slug)).first():
        raise InvalidInput(
            f"there is a campaign {slug!r} already",
            where="--slug",
            hint=f"Give another --slug, or read its notes again: mailer campaigns update {slug}",
        )


def create(
    connection: Connection,
    slug: str,
    notes: ReleaseNotes,
    images: Mapping[str, InlineImage],
    now: datetime,
    *,
    source: NotesSource | None = None,
) -> Campaign:
    """Create a draft; `source` says where its notes come from. Raises InvalidInput for a slug that can't be
    used or is taken.
    """
    check_new_slug(connection, slug)
    values = {
        "slug": slug,
        "topic": notes.topic,
        "locale": notes.locale,
        "state": CampaignState.DRAFT,
        "notes": dump_notes(notes),
        "source": source and source.dump(),
        "created_at": now,
    }
    campaign_id = connection.execute(insert(campaign).values(values).returning(campaign.c.id)).scalar_one()
    _store_images(connection, campaign_id, images.items())
    return find(connection, slug)


def replace_notes(
    connection: Connection,
    campaign_id: int,
    notes: ReleaseNotes,
    images: Mapping[str, InlineImage],
    source: NotesSource,
) -> None:
    """Replace the notes of a campaign. Frozen content is dropped."""
    values = {
        "topic": notes.topic,
        "locale": notes.locale,
        "notes": dump_notes(notes),
        "source": source.dump(),
        "subject": None,
        "html": None,
        "text": None,
        "content_hash": None,
        "frozen_at": None,
    }
    connection.execute(update(campaign).where(campaign.c.id == campaign_id).values(values))
    connection.execute(delete(image).where(image.c.campaign_id == campaign_id))
    connection.execute(delete(translation).where(translation.c.campaign_id == campaign_id))
    _store_images(connection, campaign_id, images.items())


def remove(connection: Connection, campaign_id: int) -> None:
    """Delete a campaign without deliveries. Its slug can be used again. Digests lose their reference to it."""
    connection.execute(
        update(digest_tick).where(digest_tick.c.campaign_id == campaign_id).values(campaign_id=None)
    )
    connection.execute(delete(campaign).where(campaign.c.id == campaign_id))


def find(connection: Connection, slug: str) -> Campaign:
    """The campaign with this slug. Raises NotFound."""
    row = connection.execute(select(*_COLUMNS).where(campaign.c.slug == slug)).mappings().first()
    if row is None:
        raise NotFound(f"There is no campaign {slug!r}.", hint="`mailer campaigns list` shows all campaigns.")
    return Campaign(**row)


def all_campaigns(connection: Connection) -> list[Campaign]:
    """All campaigns, newest first."""
    rows = connection.execute(select(*_COLUMNS).order_by(campaign.c.id.desc())).mappings()
    return [Campaign(**row) for row in rows]


def images_of(connection: Connection, campaign_id: int) -> dict[str, InlineImage]:
    """The images of a campaign, by their source."""
    rows = connection.execute(
        select(image).where(image.c.campaign_id == campaign_id).order_by(image.c.source)
    )
    return {row.source: InlineImage(row.content_id, row.content_type, row.data) for row in rows}


def find_image(
    connection: Connection, campaign_ids: Sequence[int] | Select[tuple[int]], content_id: str
) -> InlineImage | None:
    """The image with this content id in one of the campaigns."""
    wanted = (image.c.campaign_id.in_(campaign_ids), image.c.content_id == content_id)
    row = connection.execute(select(image).where(*wanted).limit(1)).first()
    return InlineImage(row.content_id, row.content_type, row.data) if row else None


def freeze(connection: Connection, campaign_id: int, rendered: RenderedNotes, now: datetime) -> None:
    """Store the rendered content. All recipients get this content."""
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
        enclosed = {one.content_id: one for edition in rendered.editions for one in edition.images}
        _store_images(
            connection,
            campaign_id,
            ((sources.get(name, f"{LOGO}{name}"), one) for name, one in enclosed.items()),
        )
        rows = [
            {
                "campaign_id": campaign_id,
                "locale": one.locale,
                "subject": one.subject,
                "html": one.html,
                "text": one.text,
            }
            for one in rendered.translations
        ]
        if rows:
            connection.execute(insert(translation), rows)


def frozen_content(connection: Connection, found: Campaign) -> RenderedNotes:
    """The frozen content.

    Raises Refused if it does not match its hash, because somebody changed it in the database.
    """
    images = tuple(images_of(connection, found.id).values())
    others = connection.execute(
        select(translation).where(translation.c.campaign_id == found.id).order_by(translation.c.locale)
    ).all()
    rendered = _edition(found.locale, found.subject or "", found.html or "", found.text or "", images)
    if others:
        translations = tuple(_edition(one.locale, one.subject, one.html, one.text, images) for one in others)
        rendered = rendered._replace(translations=translations)
    if content_hash(rendered) != found.content_hash:
        raise Refused(
            f"The content of campaign {found.slug!r} is not what was frozen (its hash differs).",
            hint="Cancel it and create it again from the notes.",
        )
    return rendered


def _edition(
    locale: str, subject: str, html: str, text: str, images: tuple[InlineImage, ...]
) -> RenderedNotes:
    """The content in one language, with the images that it shows."""
    return RenderedNotes(
        subject=subject,
        html=html,
        text=text,
        images=tuple(one for one in images if f"cid:{one.content_id}" in html),
        locale=parse_locale(locale),
    )


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
