"""The tables that the statements about deliveries read and write, and the conditions that they share.

    pending -> claimed -> attempting -> accepted | deferred (claimable again when due) | rejected | uncertain
                      `-> withheld      (consent is gone: the gate did not let it through)

A claim belongs to one worker, and only that worker writes to the delivery. `held_back` has the deliveries that
limits hold back, `recovery` those of dead workers.
"""

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
    return bindparam(name, type_=delivery.c.next_attempt_at.type)
