"""The record of a restore in the database. Nothing is sent until the leavers' journal has been applied."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Connection, Table, Text, exists, insert, select, update

from mailer.database import BIG, TABLES, UTCDateTime

_TABLE = Table(
    "restoration",
    TABLES,
    Column("id", BIG, primary_key=True),
    Column("found_at", UTCDateTime),
    Column("reason", Text),
    Column("replayed_at", UTCDateTime),
)


def record(connection: Connection, reason: str, now: datetime) -> None:
    """Record that the database was restored; `reason` says how that was detected."""
    connection.execute(insert(_TABLE).values(found_at=now, reason=reason))


def awaits_replay(connection: Connection) -> bool:
    """Whether the leavers' journal is not applied yet."""
    return bool(
        connection.execute(select(exists(select(_TABLE.c.id).where(_TABLE.c.replayed_at.is_(None))))).scalar()
    )


def mark_replayed(connection: Connection, now: datetime) -> None:
    """Record that the leavers' journal was applied."""
    connection.execute(update(_TABLE).where(_TABLE.c.replayed_at.is_(None)).values(replayed_at=now))


def newest_reason(connection: Connection) -> str:
    """The reason of the newest restore; empty if there was none."""
    found = select(_TABLE.c.reason).order_by(_TABLE.c.id.desc()).limit(1)
    return connection.execute(found).scalar_one_or_none() or ""
