"""The tables that the statements about deliveries read and write, and the conditions that they share."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    bindparam,
    func,
    literal_column,
)

from campaigns.tables import delivery
from subscribers.tables import CONSENT, SUBSCRIBER, SUPPRESSION

consent, subscriber, suppression = CONSENT, SUBSCRIBER, SUPPRESSION

# Literals, not parameters: both engines need them to see that the partial index applies. And SQLite plans a statement
# anew each time it is run where a parameter stands beside a column that a partial index names.
CLAIMABLE: ColumnElement[bool] = literal_column("delivery.state IN ('pending', 'deferred')")
UNCERTAIN: ColumnElement[bool] = literal_column("delivery.state = 'uncertain'")
CLAIMED: ColumnElement[bool] = literal_column("delivery.state = 'claimed'")
ATTEMPTING: ColumnElement[bool] = literal_column("delivery.state = 'attempting'")
HELD = delivery.c.worker_id.is_not(None)  # claimed or attempting

# Of rows that are looked up by their ids: COALESCE keeps both engines from the index of what is held.
IS_THE_WORKERS = func.coalesce(delivery.c.worker_id, literal_column("0")) == bindparam("worker")


def instant(name: str) -> BindParameter[datetime]:
    """A parameter that is an instant, stored as the columns of a delivery store one."""
    return bindparam(name, type_=delivery.c.next_attempt_at.type)
