"""When a failed call is repeated, and when an endpoint is parked. Values without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=1)
PARKED_AFTER = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Failure:
    """The state of an endpoint after a failed call."""

    failures: int
    failing_since: datetime
    next_attempt_at: datetime
    is_parked: bool


def after_failure(failures: int, failing_since: datetime | None, now: datetime, *, gone: bool) -> Failure:
    """The state after one more failure: the wait doubles, up to an hour.

    After two days of failures, or if the receiver answers that it is gone, the endpoint is parked.
    """
    since = min(failing_since or now, now)  # a clock that was ahead may have been set back
    wait = min(FIRST_WAIT * 2 ** min(failures, 20), LONGEST_WAIT)
    return Failure(failures + 1, since, now + wait, is_parked=gone or now - since >= PARKED_AFTER)
