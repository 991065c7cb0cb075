"""Webhooks: each endpoint has a cursor in the change feed, and receives the changes after it.

`models` is the table. `endpoints` adds, lists, replays and removes endpoints. `backoff` decides after a
failed call. `delivery` makes the calls, and `background` starts them if there are endpoints.
"""

from __future__ import annotations

from subscribers.changes import newest_number
from subscribers.webhooks.background import call_due, calling
from subscribers.webhooks.backoff import PARKED_AFTER, after_failure
from subscribers.webhooks.endpoints import (
    Endpoint,
    add,
    find,
    list_all,
    remove,
    replay,
    resume,
    rotate,
    secrets_of,
)

__all__ = [
    "PARKED_AFTER",
    "Endpoint",
    "add",
    "after_failure",
    "call_due",
    "calling",
    "find",
    "list_all",
    "newest_number",
    "remove",
    "replay",
    "resume",
    "rotate",
    "secrets_of",
]
