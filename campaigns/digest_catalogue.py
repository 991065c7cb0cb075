"""Digests and their ticks in the database. Each run of a digest is a row, its tick."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert, select
from sqlmodel import Session, col
from sqlmodel import select as select_model

from campaigns import catalogue
from campaigns.models import Digest, DigestTick
from campaigns.timing import Cadence
from mailer.database import table
from mailer.errors import NotFound

digest = table(Digest)
digest_tick = table(DigestTick)


def cadence_of(one: Digest) -> Cadence:
    """The times of a digest."""
    return Cadence(one.cron, one.zone)


def all_digests(connection: Connection) -> list[Digest]:
    """All digests, by name."""
    with Session(connection, expire_on_commit=False) as session:
        return list(session.exec(select_model(Digest).order_by(col(Digest.name))))


def find_digest(connection: Connection, name: str) -> Digest:
    """The digest with this name. Raises NotFound."""
    with Session(connection, expire_on_commit=False) as session:
        found = session.exec(select_model(Digest).where(Digest.name == name)).first()
    if found is None:
        raise NotFound(f"There is no digest {name!r}.", hint="`mailer digests list` shows what there is.")
    return found


def last_tick(connection: Connection, digest_id: int) -> DigestTick:
    """The newest tick of a digest. Creating a digest writes the first."""
    with Session(connection, expire_on_commit=False) as session:
        ticks = select_model(DigestTick).where(DigestTick.digest_id == digest_id)
        return session.exec(ticks.order_by(col(DigestTick.due_at).desc()).limit(1)).one()


def versions_heard(connection: Connection, digest_id: int) -> frozenset[str]:
    """The lines of everything that a digest announced, and of what was in the changelog when it was created."""
    written = connection.execute(select(digest_tick.c.versions).where(digest_tick.c.digest_id == digest_id))
    return frozenset(line for lines in written.scalars() for line in lines.split("\n") if line)


def is_newest_tick(connection: Connection, digest_id: int, seen: DigestTick) -> bool:
    """Whether `seen` is still the newest tick. Locks the digest, so no other host writes a tick until commit."""
    locked = select(digest.c.id).where(digest.c.id == digest_id).with_for_update()
    if connection.execute(locked).first() is None:
        return False
    return last_tick(connection, digest_id).due_at == seen.due_at


def write_tick(connection: Connection, tick: DigestTick) -> None:
    connection.execute(insert(digest_tick).values(tick.model_dump()))


def free_slug(connection: Connection, one: Digest, due: datetime) -> str:
    """A slug for the campaign: the digest's name and the day, with the time in UTC if that slug is taken."""
    slug = f"{one.name}-{due.astimezone(ZoneInfo(one.zone)):%Y-%m-%d}"
    taken = connection.execute(
        select(catalogue.campaign.c.id).where(catalogue.campaign.c.slug == slug)
    ).first()
    return f"{slug}-{due:%H%M}z" if taken else slug
