"""Which campaigns are published, and what a list says about them.

A campaign is published from the moment that its sending begins, also while it is paused and after its end. A cancelled
one is not, and neither is one that the settings hide.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, func, select, tuple_

from campaigns.states import CampaignState
from campaigns.stored_content import load_notes
from campaigns.tables import campaign
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


class Neighbours(NamedTuple):
    """The campaigns before and after one."""

    newer: Published | None
    older: Published | None


class PublishedCampaigns:
    """Finds the published campaigns; `hidden` names those (slugs) that are not shown.

    It keeps headlines in memory: frozen content does not change.
    """

    def __init__(self, hidden: Collection[str] = ()) -> None:
        self._hidden = hidden
        self._headlines: dict[tuple[int, str], tuple[Headline, ...]] = {}

    def of_topic(
        self, connection: Connection, topic: str, *, start: int = 0, most: int | None = None
    ) -> list[Published]:
        """Those of a topic, newest first; at most `most` from the one at `start`, which counts from 0."""
        wanted = self._query().where(campaign.c.topic == topic)
        return self._find(connection, wanted.offset(start).limit(most) if most is not None else wanted)

    def count(self, connection: Connection, topic: str) -> int:
        """How many there are of a topic."""
        counted = select(func.count()).select_from(self.ids_of_topic(topic).subquery())
        return int(connection.execute(counted).scalar_one())

    def ids_of_topic(self, topic: str) -> Select[tuple[int]]:
        """A query for the ids of those of a topic."""
        return select(campaign.c.id).where(*self._conditions, campaign.c.topic == topic)

    def one(self, connection: Connection, campaign_id: int) -> Published | None:
        """The campaign, if it is published."""
        return self._first(connection, self._query().where(campaign.c.id == campaign_id))

    def named(self, connection: Connection, topic: str, slug: str) -> Published | None:
        """The campaign of a topic with this slug."""
        wanted = (campaign.c.topic == topic, campaign.c.slug == slug)
        return self._first(connection, self._query().where(*wanted))

    def neighbours(self, connection: Connection, found: Published) -> Neighbours:
        """The next newer and the next older one of the same topic."""
        place, here = tuple_(_PUBLISHED_AT, campaign.c.id), tuple_(found.at, found.campaign_id)
        others = self._query().where(campaign.c.topic == found.topic)
        rising = others.order_by(None).order_by(_PUBLISHED_AT, campaign.c.id)
        return Neighbours(
            self._first(connection, rising.where(place > here)),
            self._first(connection, others.where(place < here)),
        )

    def topics(self, connection: Connection) -> list[str]:
        """The topics that have published campaigns."""
        return sorted({row["topic"] for row in connection.execute(self._query()).mappings()})

    @property
    def _conditions(self) -> list[ColumnElement[bool]]:
        shown: list[ColumnElement[bool]] = [campaign.c.slug.not_in(self._hidden)] if self._hidden else []
        return [campaign.c.state.in_(PUBLISHED_STATES), campaign.c.content_hash.is_not(None), *shown]

    def _query(self) -> Select[Any]:
        columns = (campaign.c[name] for name in ("id", "slug", "topic", "content_hash"))
        statement = select(*columns, _PUBLISHED_AT.label("at")).where(*self._conditions)
        return statement.order_by(_PUBLISHED_AT.desc(), campaign.c.id.desc())

    def _first(self, connection: Connection, statement: Select[Any]) -> Published | None:
        return next(iter(self._find(connection, statement.limit(1))), None)

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
