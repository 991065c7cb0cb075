"""Archiving holds: what the law makes one keep, until a date and for nothing else (GDPR art. 17(3)(b), 18).

A hold keeps a person's data from erasure and from the purge. It makes nobody mailable.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, exists

from mailer.database import table
from subscribers.models import ArchivingHold

HOLD = table(ArchivingHold)


def stands(subscriber_id: ColumnElement[int], now: datetime) -> ColumnElement[bool]:
    """A condition: a hold on the person with `subscriber_id` stands at `now`."""
    return exists().where(HOLD.c.subscriber_id == subscriber_id, HOLD.c.until > now)
