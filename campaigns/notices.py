"""The messages that `run-due` has printed. It prints the same message again only after an hour."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, not_, select

from campaigns.quick_look import WHOLE_LOOK
from campaigns.tables import notice
from mailer.database import insert_if_absent
from subscribers.ledger import EVENT

AGAIN_AFTER = timedelta(hours=1)
RELAY_AWAY = "relay-away"


def select_new(connection: Connection, messages: Sequence[str], now: datetime) -> list[str]:
    """The messages that were not printed within the last hour. They now count as printed."""
    # A time to come is of a clock that was ahead; nothing would be printed until then.
    old = not_(notice.c.printed_at.between(now - AGAIN_AFTER, now + AGAIN_AFTER))
    connection.execute(delete(notice).where(old, notice.c.key != RELAY_AWAY))
    return [message for message in dict.fromkeys(messages) if _insert(connection, _key(message), now)]


def begin(connection: Connection, key: str, now: datetime) -> bool:
    """Record the start of a lasting condition; False if it is recorded already."""
    return _insert(connection, key, now)


def end(connection: Connection, key: str) -> bool:
    """Record the end of a lasting condition; False if it was not recorded."""
    return connection.execute(delete(notice).where(notice.c.key == key)).rowcount > 0


def note_whole_look(connection: Connection, now: datetime) -> None:
    """Record that all was looked for, and the ledger's newest entry at that time, for the next quick look."""
    newest = connection.execute(select(func.coalesce(func.max(EVENT.c.id), 0))).scalar_one()
    connection.execute(delete(notice).where(notice.c.key.startswith(WHOLE_LOOK)))
    _insert(connection, f"{WHOLE_LOOK}{newest}", now)


def _insert(connection: Connection, key: str, now: datetime) -> bool:
    return insert_if_absent(connection, notice, {"key": key, "printed_at": now}) > 0


def _key(message: str) -> str:
    return hashlib.sha256(message.encode()).hexdigest()
