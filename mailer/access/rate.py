"""Limit the requests a second of each token, in one process: a token bucket with the requests of one second."""

from __future__ import annotations

from collections.abc import Callable


class RequestRate:
    """The buckets of all tokens, by id. `monotonic` gives seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, token_id: str, per_second: int) -> float:
        """Count a request; returns 0 if it is allowed, or else the seconds until the next is."""
        now = self._monotonic()
        left, at = self._buckets.get(token_id, (float(per_second), now))
        left = min(float(per_second), left + (now - at) * per_second)
        if left < 1:
            self._buckets[token_id] = left, now
            return (1 - left) / per_second
        self._buckets[token_id] = left - 1, now
        return 0.0
