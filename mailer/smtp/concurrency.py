"""How many connections to a relay to use: more while that raises the rate, fewer when the relay refuses one."""

from __future__ import annotations

START = 20  # connections
WINDOW = 0.25  # seconds in which the rate is measured; a shorter time measures noise
MIN_MESSAGES_PER_CONNECTION = 4  # in a window, for the same reason
MIN_GAIN = 0.05  # twice the connections must raise the rate by this share
GROWTH_PAUSE = 15.0  # seconds without growth after it did not help or the relay refused a connection


class Concurrency:
    """The number of connections in use, `limit`, between 1 and `ceiling`. Times are seconds on any one clock.

    The limit doubles after each window in which all connections were in use and tasks waited for more, as long as the
    last growth raised the rate. Growth that did not help is kept but not continued: connections cost little, and a
    noisy measurement must not make a campaign slower than it was.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.limit = min(START, ceiling)
        self._since: float | None = None
        self._finished_before = 0
        self._last_growth: tuple[int, float] | None = None
        self._no_growth_until = float("-inf")

    def observe(self, now: float, finished: int, *, saturated: bool) -> None:
        """Record how many messages are `finished` in all. `saturated`: all connections are in use, and tasks wait."""
        if not saturated or self._since is None:
            self._since, self._finished_before = (now, finished) if saturated else (None, finished)
            return
        elapsed, done = now - self._since, finished - self._finished_before
        if elapsed < WINDOW or done < MIN_MESSAGES_PER_CONNECTION * self.limit:
            return
        self._since, self._finished_before = now, finished
        if self.limit >= self.ceiling or now < self._no_growth_until:
            return
        rate = done / elapsed
        if self._last_growth is not None and not self._helped(rate, *self._last_growth):
            self._last_growth = None
            self._no_growth_until = now + GROWTH_PAUSE
            return
        self._last_growth = (self.limit, rate)
        self.limit = min(self.ceiling, self.limit * 2)

    def _helped(self, rate: float, connections: int, rate_before: float) -> bool:
        return rate >= rate_before * (1 + MIN_GAIN * (self.limit / connections - 1))

    def lower(self, now: float, open_connections: int) -> None:
        """The relay refused one more than the `open_connections` that it serves."""
        self.limit = max(1, min(self.limit, open_connections))
        self._last_growth = None
        self._no_growth_until = now + GROWTH_PAUSE
