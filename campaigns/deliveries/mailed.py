"""Whom mail was offered in a period."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Select, func, select

from campaigns.tables import delivery


def mailed_between(since: datetime, until: datetime) -> Select[tuple[int]]:
    """A selection of the ids of the subscribers whom content was offered from `since` until `until`."""
    return select(delivery.c.subscriber_id).where(
        delivery.c.first_attempted_at <= until, delivery.c.attempted_at >= since
    )


def count_mails(connection: Connection, since: datetime | None, until: datetime) -> int:
    """How many mails were offered until `until`, or in the period from `since` on."""
    mails = select(func.count()).where(delivery.c.first_attempted_at <= until)
    if since is not None:
        mails = mails.where(delivery.c.attempted_at >= since)
    return connection.execute(mails).scalar_one()
