"""Requests that wait until the person confirms them by a link in a mail: nothing changes before that.

`models` is the table and `requests` its statements. `links` makes and reads the links. `attempts` counts what is
limited, `objections` finds people who must not be asked for a consent. A request has an expiry and is spent once.
The package that made it decides what confirming it does.
"""

from __future__ import annotations

from subscribers.pending_requests.attempts import ATTEMPT_COUNT, AttemptLimit, count_attempt
from subscribers.pending_requests.kinds import RequestKind
from subscribers.pending_requests.links import LinkTarget, RequestLinks
from subscribers.pending_requests.objections import objected_at
from subscribers.pending_requests.requests import (
    PENDING_REQUEST,
    RequestedPerson,
    StoredRequest,
    add,
    close,
    find_linked,
    find_open,
    is_any_over,
    of_person,
    purge,
    remove_of_address,
    request_times,
    spend,
)

__all__ = [
    "ATTEMPT_COUNT",
    "PENDING_REQUEST",
    "AttemptLimit",
    "LinkTarget",
    "RequestKind",
    "RequestLinks",
    "RequestedPerson",
    "StoredRequest",
    "add",
    "close",
    "count_attempt",
    "find_linked",
    "find_open",
    "is_any_over",
    "objected_at",
    "of_person",
    "purge",
    "remove_of_address",
    "request_times",
    "spend",
]
