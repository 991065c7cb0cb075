"""How long a relay is left alone that takes no more mail for the moment."""

from __future__ import annotations

FIRST_PAUSE, LAST_PAUSE = 1.0, 32.0  # seconds; doubled where the relay served nothing since the pause before


class Pauses:
    """The pauses of one relay. Times are seconds on any one clock."""

    def __init__(self) -> None:
        self._until = float("-inf")
        self._seconds = 0.0
        self._served = 0

    @property
    def in_vain(self) -> bool:
        """Whether the relay served nothing although it was left alone for all of the pauses: 63 seconds."""
        return self._seconds > LAST_PAUSE

    def after_refusal(self, now: float, served: int) -> float:
        """How many seconds to leave the relay alone; it has `served` so many messages in all.

        Refusals during a pause, of messages that were under way, do not lengthen it.
        """
        if now >= self._until:
            in_between = served > self._served
            self._seconds = FIRST_PAUSE if in_between or not self._seconds else self._seconds * 2
            self._served = served
            self._until = now + min(self._seconds, LAST_PAUSE)
        return self._until - now
