"""A clock for tests, set by hand."""

from __future__ import annotations

from datetime import datetime


class SetClock:
    """A clock that returns the time it was set to."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now
