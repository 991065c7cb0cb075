"""How many more mails some limits allow, and when they allow the next one.

Times are integers in microseconds, so rounding errors do not add up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

SECOND = 1_000_000  # microseconds
GRAINS = 100  # A span has this many parts. All usage in a part counts from the last moment of that part.

Log = list[tuple[int, int]]  # moments, oldest first, each with the usage since the previous moment


class Limit(NamedTuple):
    """At most `most` mails in any interval of `span` microseconds."""

    name: str
    most: int
    span: int

    def next(self, log: Log, now: int) -> int:
        """The first moment, not before `now`, that allows one more."""
        left = self.most
        for at, count in reversed(log):
            left -= count
            if left <= 0:
                return max(now, at + self.span)
        return now

    def spend(self, log: Log, at: int) -> None:
        """Record one more at `at`, and drop usage that no longer counts."""
        grain = max(1, self.span // GRAINS)
        if log and log[-1][0] // grain == at // grain:
            log[-1] = (at, log[-1][1] + 1)
        else:
            log.append((at, 1))
        while log[0][0] + self.span <= at:
            del log[0]


class Budget:
    """Several limits on one relay or provider, and the usage of each.

    Usage is recorded in parts of a hundredth of a span. A mail may therefore wait up to a hundredth of the span
    longer than necessary, but never goes too early.
    """

    def __init__(self, limits: Sequence[Limit], spent: Mapping[str, Log] | None = None) -> None:
        self._limits = limits
        self._spent = {limit.name: list((spent or {}).get(limit.name, ())) for limit in limits}

    @classmethod
    def from_json(cls, limits: Sequence[Limit], text: str, latest: int) -> Self:
        """The budget that `to_json` wrote. A moment after `latest` (the clock was set back) counts as `latest`."""
        logs = json.loads(text)
        return cls(
            limits, {name: [(min(at, latest), count) for at, count in log] for name, log in logs.items()}
        )

    def to_json(self) -> str:
        """The usage as JSON."""
        return json.dumps(self._spent, separators=(",", ":"))

    def copy(self) -> Budget:
        """An independent copy."""
        return Budget(self._limits, self._spent)

    def next(self, now: int) -> int:
        """The first moment, not before `now`, at which all limits allow one more."""
        at = now
        for limit in self._limits:
            log = self._spent[limit.name]
            at = max(at, limit.next(log, at), log[-1][0] if log else at)
        return at

    def take(self, now: int) -> int:
        """Record one more at the first moment that allows it; returns that moment."""
        at = self.next(now)
        self._spend(at)
        return at

    def count(self, now: int) -> None:
        """Record one more at `now`, whether or not the limits allow it."""
        self._spend(max([now, *(log[-1][0] for log in self._spent.values() if log)]))

    def _spend(self, at: int) -> None:
        for limit in self._limits:
            limit.spend(self._spent[limit.name], at)
