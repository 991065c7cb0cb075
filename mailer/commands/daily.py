"""What `run-due` and `worker` do once a day."""

from __future__ import annotations

from datetime import datetime, timedelta

_ONCE_A_DAY = timedelta(hours=23)  # cron's runs come at about the same time of day


def is_due_today(last: datetime | None, now: datetime) -> bool:
    """Whether something that was last done at `last` is to be done again: also where the clock was ahead at that time."""
    return last is None or abs(now - last) >= _ONCE_A_DAY
