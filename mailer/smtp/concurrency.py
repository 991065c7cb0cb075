"""How many connections to a relay to have: more while that helps, fewer when the relay says so."""

from __future__ import annotations

WINDOW = 0.25  # seconds; less would measure noise
ROUNDS = 4  # messages a connection in a window, for the same reason
GAIN = 0.05  # twice the connections are worth it if they bring at least this much more
REST = 15.0  # seconds until growth is tried again where it did not help or was not wanted


class Concurrency:
    """The number of connections in use, `limit`, between 1 and `ceiling`. Times are seconds on any one clock.

    Growth doubles the limit after each window in which every connection was in use and more were wanted, as long
    as the last growth raised the rate. Growth that did not help is kept but not continued: connections cost
    little, and a noisy measurement must not leave a campaign slower than it was.
    """

    def __init__(self, ceiling: int, *, start: int = 10) -> None:
        self.ceiling = ceiling
        self.limit = min(start, ceiling)
        self._since: float | None = None
        self._from = 0
        self._before: tuple[int, float] | None = None
        self._resting_until = float("-inf")

    def observe(self, now: float, finished: int, *, saturated: bool) -> None:
        """Take note of how many messages are `finished` in all; `saturated`: all in use, and more wanted."""
        if not saturated or self._since is None:
            self._since, self._from = (now, finished) if saturated else (None, finished)
            return
        elapsed, done = now - self._since, finished - self._from
        if elapsed < WINDOW or done < ROUNDS * self.limit:
            return
        self._since, self._from = now, finished
        if self.limit >= self.ceiling or now < self._resting_until:
            return
        rate = done / elapsed
        if self._before is not None and not self._helped(rate, *self._before):
            self._before = None
            self._resting_until = now + REST
            return
        self._before = (self.limit, rate)
        self.limit = min(self.ceiling, self.limit * 2)

    def _helped(self, rate: float, connections: int, rate_before: float) -> bool:
        return rate >= rate_before * (1 + GAIN * (self.limit / connections - 1))

    def lower(self, now: float, alive: int) -> None:
        """The relay refused one more than the `alive` connections that it serves."""
        self.limit = max(1, min(self.limit, alive))
        self._before = None
        self._resting_until = now + REST
