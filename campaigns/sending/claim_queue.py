"""The deliveries that a run has claimed ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

FEWEST, MOST = 200, 1000  # deliveries in a page
PAGE_SECONDS = 5.0  # for which a page is to last
MAX_AGE = timedelta(seconds=10)  # of a claim, for its address to be announced
PER_WITHHELD = 100  # announced ones for each that was withheld; with fewer, no more are announced


class Claim(NamedTuple):
    """A claimed delivery. `address` is its recipient's, where the consent stood at `claimed_at`."""

    delivery_id: int
    address: str | None
    claimed_at: datetime


class ClaimQueue:
    """Claimed deliveries, oldest due first. `exhausted`: no more are due.

    `withheld` counts those that the gate withheld after they had been announced to the relay.
    """

    def __init__(self) -> None:
        self.exhausted = False
        self.withheld = self._announced = 0
        self._claims: deque[Claim] = deque()
        self._page, self._taken = FEWEST, 0
        self._claimed_at: datetime | None = None

    def __len__(self) -> int:
        return len(self._claims)

    def number_to_claim(self, now: datetime) -> int:
        """How many to claim: a page, while less than half of one is left. A page is what PAGE_SECONDS take."""
        if self.exhausted or len(self._claims) >= self._page // 2:
            return 0
        if self._claimed_at is not None:
            seconds = max((now - self._claimed_at).total_seconds(), 0.001)
            self._page = max(FEWEST, min(MOST, int(self._taken / seconds * PAGE_SECONDS)))
        return self._page

    def add(self, claimed: Mapping[int, str | None], now: datetime) -> None:
        """Add what was claimed of a page: deliveries with their addresses. No more are due where it is not full."""
        self._claims.extend([Claim(number, address, now) for number, address in claimed.items()])
        self.exhausted = len(claimed) < self._page
        self._taken, self._claimed_at = 0, now

    def take(self) -> Claim:
        """The next one. Raises IndexError where there is none."""
        self._taken += 1
        return self._claims.popleft()

    def take_announceable(self, now: datetime) -> Claim | None:
        """The next one, where it may be announced to the relay: its consent stood a moment ago."""
        is_rarely_withheld = self.withheld * PER_WITHHELD <= self._announced + PER_WITHHELD
        first = self._claims[0] if self._claims and is_rarely_withheld else None
        if first is None or not first.address or now - first.claimed_at >= MAX_AGE:
            return None
        self._announced += 1
        return self.take()

    def give_back(self, claim: Claim) -> None:
        """Put one back, as the next."""
        self._claims.appendleft(claim)
