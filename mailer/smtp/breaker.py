"""Whether a relay is worth trying: a circuit breaker with half-open probing."""

from __future__ import annotations

FAILURES = 3  # in a row, after which a relay is left alone
FIRST_REST, LONGEST_REST = 5.0, 300.0  # seconds; doubled each time that a probe fails


class Breaker:
    """Closed while the relay serves, open while it is left alone, half-open while one caller tries it out.

    Whoever was let through says how it went: `succeeded`, `failed`, or `undecided` where nothing came to the test.
    Times are seconds on any one clock.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._rest = FIRST_REST
        self._open_until: float | None = None
        self._probing = False

    def allows(self, now: float) -> bool:
        """May the relay be used? While it is half-open, by nobody but the one who probes."""
        return self._open_until is None or (now >= self._open_until and not self._probing)

    @property
    def opens_at(self) -> float:
        """When it may next be probed; the beginning of time while it is closed."""
        if self._open_until is None:
            return float("-inf")
        return float("inf") if self._probing else self._open_until

    def enter(self, now: float) -> bool:
        """Go through, having been allowed to; whether that makes the caller the probe."""
        self._probing = self._open_until is not None and now >= self._open_until
        return self._probing

    def succeeded(self) -> None:
        """The relay served: all may come."""
        self._failures, self._rest = 0, FIRST_REST
        self._open_until, self._probing = None, False

    def failed(self, now: float, *, lasting: bool = False) -> None:
        """It did not. `lasting`: it won't soon, so one failure is enough."""
        if self._open_until is not None and not self._probing:
            return  # one of those who went in before it opened
        self._failures += 1
        if self._probing:
            self._rest = min(self._rest * 2, LONGEST_REST)
        if lasting or self._probing or self._failures >= FAILURES:
            self._open_until = now + self._rest
        self._probing = False

    def undecided(self) -> None:
        """Nothing was tried; the next one may."""
        self._probing = False
