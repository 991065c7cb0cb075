"""Whether the clock can be believed by which data are deleted.

A clock that jumped years ahead would have all of it deleted that is due by then. So a purge is refused where the one before
it is too long ago, until a person has said that the clock is right. `run-due` and `worker` purge daily, whether or not anything
happens, so they meet this only after a long pause.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from mailer import operator_log
from mailer.quantity import quantity
from subscribers.ledger import EVENT

COMMAND = "privacy purge"
LONGEST_PAUSE = timedelta(days=45)  # more than a month: some purge by a monthly job


def last_purge(connection: Connection) -> datetime | None:
    """When the last purge began."""
    return operator_log.last_of(connection, COMMAND)


def doubt(connection: Connection, now: datetime) -> str | None:
    """Why `now` may be wrong; None where nothing says so. Before the first purge the ledger's newest entry is compared."""
    known, what = last_purge(connection), "purge"
    if known is None:
        newest = select(EVENT.c.recorded_at).order_by(EVENT.c.id.desc()).limit(1)
        known, what = connection.execute(newest).scalar_one_or_none(), "entry of the ledger"
    if known is None or now - known <= LONGEST_PAUSE:
        return None
    return (
        f"By the clock it is {now:%Y-%m-%d %H:%M %Z}, {quantity((now - known).days, 'day')} after the last {what}. Where the "
        "clock is wrong, a purge deletes what is not due."
    )
