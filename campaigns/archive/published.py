"""Which campaigns are published, and what a list says about them.

A campaign is published from the moment that its sending begins, also while it is paused and after its end. A cancelled
one is not, and neither is one that the settings hide.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, func, select

from campaigns.catalogue import campaign
from campaigns.models import CampaignState
from campaigns.stored_content import load_notes
from templates.language import Locale
from templates.notes import ReleaseNotes

PUBLISHED_STATES = (CampaignState.SENDING, CampaignState.PAUSED, CampaignState.FINISHED)
_PUBLISHED_AT = func.coalesce(campaign.c.started_at, campaign.c.finished_at, campaign.c.frozen_at)


@dataclass(frozen=True, slots=True)
class Headline:
    """What a list shows of the notes in one language."""

    locale: Locale
    title: str
    version: str | None
    date: date | None


@dataclass(frozen=True, slots=True)
class Published:
    """A published campaign with its headline in each language, the first language first."""

    campaign_id: int
    slug: str
    topic: str
    content_hash: str
    at: datetime
    headlines: tuple[Headline, ...]

    def headline(self, locale: Locale) -> Headline:
        """The headline in `locale`, else in the first language."""
        return next((one for one in self.headlines if one.locale == locale), self.headlines[0])

    def has(self, locale: Locale) -> bool:
        """Whether the notes exist in `locale`."""
        return any(one.locale == locale for one in self.headlines)


class PublishedCampaigns:
    """Finds the published campaigns; `hidden` names those (slugs) that are not shown.

    It keeps headlines in memory: frozen content does not change.
    """

    def __init__(self, hidden: Collection[str] = ()) -> None:
        self._hidden = hidden
        self._headlines: dict[tuple[int, str], tuple[Headline, ...]] = {}

    def of_topic(self, connection: Connection, topic: str) -> list[Published]:
        """Those of a topic, newest first."""
        return self._find(connection, self._query().where(campaign.c.topic == topic))

    def one(self, connection: Connection, campaign_id: int) -> Published | None:
        """The campaign, if it is published."""
        found = self._find(connection, self._query().where(campaign.c.id == campaign_id))
        return found[0] if found else None

    def topics(self, connection: Connection) -> list[str]:
        """The topics that have published campaigns."""
        return sorted({row["topic"] for row in connection.execute(self._query()).mappings()})

    def _query(self) -> Select[Any]:
        wanted = (campaign.c.state.in_(PUBLISHED_STATES), campaign.c.content_hash.is_not(None))
        columns = (campaign.c[name] for name in ("id", "slug", "topic", "content_hash"))
        statement = select(*columns, _PUBLISHED_AT.label("at")).where(*wanted)
        if self._hidden:
            statement = statement.where(campaign.c.slug.not_in(self._hidden))
        return statement.order_by(_PUBLISHED_AT.desc(), campaign.c.id.desc())

    def _find(self, connection: Connection, statement: Select[Any]) -> list[Published]:
        rows = connection.execute(statement).mappings().all()
        unknown = [row["id"] for row in rows if _key(row) not in self._headlines]
        stored = {number: notes_of(connection, number) for number in unknown}
        for row in rows:
            if row["id"] in stored:
                self._headlines[_key(row)] = tuple(
                    Headline(one.locale, one.title, one.version, one.date)
                    for one in stored[row["id"]].editions
                )
        return [
            Published(
                row["id"],
                row["slug"],
                row["topic"],
                row["content_hash"],
                row["at"],
                self._headlines[_key(row)],
            )
            for row in rows
        ]


def used_topics(connection: Connection) -> set[str]:
    """The topics of all campaigns, also of those that are not published."""
    return set(connection.execute(select(campaign.c.topic).distinct()).scalars())


def notes_of(connection: Connection, campaign_id: int) -> ReleaseNotes:
    """The notes of a campaign in all their languages."""
    return load_notes(
        connection.execute(select(campaign.c.notes).where(campaign.c.id == campaign_id)).scalar_one()
    )


def last_change(connection: Connection, topic: str) -> datetime | None:
    """When sending last began or ended for a campaign of the topic, cancelled ones included."""
    newest = select(func.max(campaign.c.started_at), func.max(campaign.c.finished_at)).where(
        campaign.c.topic == topic
    )
    return max((moment for moment in connection.execute(newest).one() if moment), default=None)


def _key(row: RowMapping) -> tuple[int, str]:
    return row["id"], row["content_hash"]
