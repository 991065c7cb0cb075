"""Which of several relays gets the next mails: each its share, by weight."""

from __future__ import annotations

from collections.abc import Collection, Mapping


class Shares:
    """Turns by weight, evenly mixed: of 3 and 1, every fourth turn is the other's.

    This is smooth weighted round-robin, as nginx does it. Who could not take its turns does not make up for them
    afterwards.
    """

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._weights = dict(weights)
        self._claims = dict.fromkeys(weights, 0)

    def pick(self, able: Collection[str]) -> str:
        """Whose turn it is, of those that are `able` to take it (one at least)."""
        present = [name for name in self._weights if name in able]
        for name in present:
            self._claims[name] += self._weights[name]
        chosen = max(present, key=self._claims.__getitem__)
        self._claims[chosen] -= sum(self._weights[name] for name in present)
        return chosen
