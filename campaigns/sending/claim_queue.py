"""The deliveries that a run has claimed ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

CLAIMED_AHEAD = 1000


class ClaimQueue:
    """Claimed deliveries, oldest due first. `exhausted`: no more are due. `is_claiming`: more are being claimed."""

    def __init__(self) -> None:
        self.exhausted = self.is_claiming = False
        self._claims: deque[int] = deque()

    def __bool__(self) -> bool:
        return bool(self._claims)

    @property
    def number_to_claim(self) -> int:
        """How many to claim now: a page, while less than half of one is left."""
        enough = len(self._claims) >= CLAIMED_AHEAD // 2
        return 0 if enough or self.exhausted or self.is_claiming else CLAIMED_AHEAD

    def add(self, claimed: Sequence[int]) -> None:
        """Add what was claimed."""
        self._claims.extend(claimed)
        self.exhausted = len(claimed) < CLAIMED_AHEAD

    def take(self) -> int:
        """The next one. Raises IndexError where there is none."""
        return self._claims.popleft()

    def give_back(self, number: int) -> None:
        """Put one back, as the next."""
        self._claims.appendleft(number)
