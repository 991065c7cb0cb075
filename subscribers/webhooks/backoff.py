"""When a failed call is made again, and when an endpoint is given up. Values without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=1)
PARKED_AFTER = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Failure:
    """What follows from a failed call."""

    failures: int
    failing_since: datetime
    next_attempt_at: datetime
    is_parked: bool


def after_failure(failures: int, failing_since: datetime | None, now: datetime, *, gone: bool) -> Failure:
    """What follows from one more failure after `failures`: a wait that doubles, up to an hour.

    After two days of failures, or where the receiver says that it is gone, the endpoint is parked.
    """
    since = failing_since or now
    wait = min(FIRST_WAIT * 2 ** min(failures, 20), LONGEST_WAIT)
    return Failure(failures + 1, since, now + wait, is_parked=gone or now - since >= PARKED_AFTER)
