"""A clock for tests that shows what it was set to."""

from __future__ import annotations

from datetime import datetime


class SetClock:
    """A clock that shows what it was set to."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now
