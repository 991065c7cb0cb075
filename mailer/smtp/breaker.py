"""Whether a relay is worth trying: a circuit breaker with half-open probing."""

from __future__ import annotations

FAILURE_THRESHOLD = 3  # in a row, after which the breaker opens
FIRST_COOLDOWN, MAX_COOLDOWN = 5.0, 300.0  # seconds; doubled each time that a probe fails
PROBE_SECONDS = 0.1  # between two looks at whether a probe has ended


class Breaker:
    """Closed while the relay serves, open while it is not used, half-open while one caller probes it.

    A caller that entered reports the result: `succeeded`, `failed`, or `undecided` where it offered no mail.
    Times are seconds on any one clock.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._cooldown = FIRST_COOLDOWN
        self._open_until: float | None = None
        self._probing = False

    def allows(self, now: float) -> bool:
        """Whether the relay may be used; while it is half-open, only its one probe may."""
        return self._open_until is None or (now >= self._open_until and not self._probing)

    def seconds_until_allowed(self, now: float) -> float:
        """How many seconds it is at least until `allows` may be true; 0 while it is."""
        if self._open_until is None or self.allows(now):
            return 0.0
        return max(self._open_until - now, PROBE_SECONDS)

    @property
    def has_probed_in_vain(self) -> bool:
        """Whether the relay failed again when it was probed last."""
        return self._open_until is not None and self._cooldown > FIRST_COOLDOWN

    def enter(self, now: float) -> None:
        """Use the relay, after `allows`."""
        self._probing = self._open_until is not None and now >= self._open_until

    def succeeded(self) -> None:
        """The relay served: close the breaker."""
        self._failures, self._cooldown = 0, FIRST_COOLDOWN
        self._open_until, self._probing = None, False

    def failed(self, now: float, *, lasting: bool = False) -> None:
        """The relay failed. `lasting`: it will fail again, so one failure opens the breaker."""
        if self._open_until is not None and not self._probing:
            return  # this caller entered before it opened
        self._failures += 1
        if self._probing:
            self._cooldown = min(self._cooldown * 2, MAX_COOLDOWN)
        if lasting or self._probing or self._failures >= FAILURE_THRESHOLD:
            self._open_until = now + self._cooldown
        self._probing = False

    def undecided(self) -> None:
        """Nothing was tried: the next caller may probe."""
        self._probing = False
