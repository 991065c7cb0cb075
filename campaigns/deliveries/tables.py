"""The delivery ledger: the statements that take a delivery through its life, the gate among them.

    pending -> claimed -> attempting -> accepted | deferred (claimable again when due) | rejected | uncertain
                      `-> withheld      (consent is gone: the gate did not let it through)

A claim belongs to one worker; nothing is written to a delivery except by the worker that holds it. What limits hold
back is in `held_back`, what workers leave behind in `estates`, what operators read of it all in `report`.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    bindparam,
    literal_column,
)

from campaigns.models import Campaign, Delivery
from mailer.database import table
from subscribers.models import Consent, Subscriber, Suppression

delivery = table(Delivery)
campaign = table(Campaign)
consent = table(Consent)
subscriber = table(Subscriber)
suppression = table(Suppression)

# Written out, not bound: only so do both engines see that the partial index covers it.
CLAIMABLE: ColumnElement[bool] = literal_column("delivery.state IN ('pending', 'deferred')")
HELD: ColumnElement[bool] = literal_column("delivery.state IN ('claimed', 'attempting')")


def instant(name: str) -> BindParameter[datetime]:
    return bindparam(name, type_=delivery.c.next_attempt_at.type)
