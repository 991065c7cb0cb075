"""How many mails a set of limits still lets through, and when the next one may go.

Times are whole microseconds, so that no rounding errors add up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

SECOND = 1_000_000  # microseconds
GRAINS = 100  # parts into which a span is divided; all usage in a part counts as of its last moment

Log = list[tuple[int, int]]  # a moment, and the usage since the moment before it; oldest first


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` in any `span` of microseconds, whenever it begins."""

    name: str
    most: int
    span: int

    def next(self, log: Log, now: int) -> int:
        """The first moment, from `now` on, that has room for one more."""
        left = self.most
        for at, count in reversed(log):
            left -= count
            if left <= 0:
                return max(now, at + self.span)
        return now

    def spend(self, log: Log, at: int) -> None:
        """Record one more at `at`, and drop what no longer counts."""
        grain = max(1, self.span // GRAINS)
        if log and log[-1][0] // grain == at // grain:
            log[-1] = (at, log[-1][1] + 1)
        else:
            log.append((at, 1))
        while log[0][0] + self.span <= at:
            del log[0]


class Budget:
    """Several limits on one relay or provider, and the usage of each.

    Usage is recorded in grains of a hundredth of a span. So a mail may wait up to a hundredth of the span longer than
    it must, and is never let through too early.
    """

    def __init__(self, limits: Sequence[Limit], spent: Mapping[str, Log] | None = None) -> None:
        self._limits = limits
        self._spent = {limit.name: list((spent or {}).get(limit.name, ())) for limit in limits}

    @classmethod
    def from_json(cls, limits: Sequence[Limit], text: str, latest: int) -> Self:
        """A budget from what `to_json` returned. Moments after `latest` come from a clock that was set back since."""
        logs = json.loads(text)
        return cls(
            limits, {name: [(min(at, latest), count) for at, count in log] for name, log in logs.items()}
        )

    def to_json(self) -> str:
        """The usage, as JSON."""
        return json.dumps(self._spent, separators=(",", ":"))

    def copy(self) -> Budget:
        """A copy, to spend from without changing this one."""
        return Budget(self._limits, self._spent)

    def next(self, now: int) -> int:
        """The first moment, from `now` on, at which all limits let one more through."""
        at = now
        for limit in self._limits:
            log = self._spent[limit.name]
            at = max(at, limit.next(log, at), log[-1][0] if log else at)
        return at

    def take(self, now: int) -> int:
        """Spend one at the first moment that has room; returns that moment."""
        at = self.next(now)
        for limit in self._limits:
            limit.spend(self._spent[limit.name], at)
        return at
