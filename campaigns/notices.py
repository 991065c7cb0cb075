"""What cron's `run-due` has printed already: the same is printed again after an hour, and not before."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete

from campaigns.models import Notice
from mailer.database import insert_if_absent, table

notice = table(Notice)

AGAIN_AFTER = timedelta(hours=1)
RELAY_AWAY = "relay-away"


def select_new(connection: Connection, messages: Sequence[str], now: datetime) -> list[str]:
    """Those of `messages` that were not printed within the last hour; they count as printed from now on."""
    connection.execute(
        delete(notice).where(notice.c.printed_at < now - AGAIN_AFTER, notice.c.key != RELAY_AWAY)
    )
    return [message for message in dict.fromkeys(messages) if _insert(connection, _key(message), now)]


def begin(connection: Connection, key: str, now: datetime) -> bool:
    """Note that something lasts from now on; False where that is noted already."""
    return _insert(connection, key, now)


def end(connection: Connection, key: str) -> bool:
    """Note that something is over; False where it was not noted."""
    return connection.execute(delete(notice).where(notice.c.key == key)).rowcount > 0


def _insert(connection: Connection, key: str, now: datetime) -> bool:
    return insert_if_absent(connection, notice, {"key": key, "printed_at": now}) > 0


def _key(message: str) -> str:
    return hashlib.sha256(message.encode()).hexdigest()
