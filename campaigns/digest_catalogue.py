"""Digests and their ticks in the database. Each run of a digest is a row, its tick."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert, select

from campaigns.tables import campaign, digest, digest_tick
from campaigns.timing.cron import Cadence
from mailer.errors import NotFound


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest as the database had it when it was read. `changelog` is the path of a file."""

    id: int
    name: str
    changelog: str
    cron: str
    zone: str
    topic: str
    locale: str
    base_url: str | None
    max_lateness_seconds: float
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Tick:
    """A run of a digest. `versions` are the lines of what it announced, `skipped_because` why there is no campaign."""

    digest_id: int
    due_at: datetime
    ran_at: datetime
    versions: str = ""
    campaign_id: int | None = None
    skipped_because: str | None = None


def cadence_of(one: Digest) -> Cadence:
    """The times of a digest."""
    return Cadence(one.cron, one.zone)


def all_digests(connection: Connection) -> list[Digest]:
    """All digests, by name."""
    rows = connection.execute(select(digest).order_by(digest.c.name)).mappings()
    return [Digest(**row) for row in rows]


def find_digest(connection: Connection, name: str) -> Digest:
    """The digest with this name. Raises NotFound."""
    found = connection.execute(select(digest).where(digest.c.name == name)).mappings().first()
    if found is None:
        raise NotFound(f"There is no digest {name!r}.", hint="`mailer digests list` shows what there is.")
    return Digest(**found)


def last_tick(connection: Connection, digest_id: int) -> Tick:
    """The newest tick of a digest. Creating a digest writes the first."""
    ticks = select(digest_tick).where(digest_tick.c.digest_id == digest_id)
    newest = connection.execute(ticks.order_by(digest_tick.c.due_at.desc()).limit(1)).mappings().one()
    return Tick(**newest)


def versions_heard(connection: Connection, digest_id: int) -> frozenset[str]:
    """The lines of everything that a digest announced, and of what was in the changelog when it was created."""
    written = connection.execute(select(digest_tick.c.versions).where(digest_tick.c.digest_id == digest_id))
    return frozenset(line for lines in written.scalars() for line in lines.split("\n") if line)


def is_newest_tick(connection: Connection, digest_id: int, seen: Tick) -> bool:
    """Whether `seen` is still the newest tick. Locks the digest, so no other host writes a tick until commit."""
    locked = select(digest.c.id).where(digest.c.id == digest_id).with_for_update()
    if connection.execute(locked).first() is None:
        return False
    return last_tick(connection, digest_id).due_at == seen.due_at


def write_tick(connection: Connection, tick: Tick) -> None:
    """Record a run of a digest."""
    connection.execute(insert(digest_tick).values(asdict(tick)))


def free_slug(connection: Connection, one: Digest, due: datetime) -> str:
    """A slug for the campaign: the digest's name and the day, with the time in UTC if that slug is taken."""
    slug = f"{one.name}-{due.astimezone(ZoneInfo(one.zone)):%Y-%m-%d}"
    taken = connection.execute(select(campaign.c.id).where(campaign.c.slug == slug)).first()
    return f"{slug}-{due:%H%M}z" if taken else slug
