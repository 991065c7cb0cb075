"""How many mails a set of limits still lets through, and when the next one may go.

Times are whole microseconds on one clock, so that nothing is rounded away however long it runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

SECOND = 1_000_000
GRAINS = 100  # parts of a span that are told apart; a part counts as spent at its last moment

Log = list[tuple[int, int]]  # moments, and how many were spent up to each since the one before; oldest first


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` in any `span` of microseconds, wherever that begins."""

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
        """Note one more at `at`, and forget what no longer counts."""
        grain = max(1, self.span // GRAINS)
        if log and log[-1][0] // grain == at // grain:
            log[-1] = (at, log[-1][1] + 1)
        else:
            log.append((at, 1))
        while log[0][0] + self.span <= at:
            del log[0]


class Budget:
    """Several limits on one thing, and what was spent of each.

    What was spent is remembered in grains of a hundredth of a span, so a limit may make a mail wait for up to a
    hundredth of its span longer than it must; it never lets one through too early.
    """

    def __init__(self, limits: Sequence[Limit], spent: Mapping[str, Log] | None = None) -> None:
        self._limits = limits
        self._spent = {limit.name: list((spent or {}).get(limit.name, ())) for limit in limits}

    @classmethod
    def read(cls, limits: Sequence[Limit], text: str, latest: int) -> Self:
        """A budget as `written`. Moments after `latest` were written by a clock that was set back since."""
        logs = json.loads(text)
        return cls(
            limits, {name: [(min(at, latest), count) for at, count in log] for name, log in logs.items()}
        )

    def written(self) -> str:
        """What was spent, as JSON."""
        return json.dumps(self._spent, separators=(",", ":"))

    def copy(self) -> Budget:
        """One to try things out on."""
        return Budget(self._limits, self._spent)

    def next(self, now: int) -> int:
        """The first moment, from `now` on, at which all limits let one more through."""
        at = now
        for limit in self._limits:
            log = self._spent[limit.name]
            at = max(at, limit.next(log, at), log[-1][0] if log else at)
        return at

    def take(self, now: int) -> int:
        """Spend one at the first moment that has room for it; returns that moment."""
        at = self.next(now)
        for limit in self._limits:
            limit.spend(self._spent[limit.name], at)
        return at
