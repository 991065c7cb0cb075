"""Which envelopes are announced to the relay, before the gate has let their deliveries through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from campaigns.sending.claim_queue import ClaimQueue
from campaigns.sending.compose import Composer
from campaigns.sending.session import Session
from mailer.errors import InvalidInput

PER_DROP = 100
"""Announced envelopes for each one whose delivery was withheld; with fewer, no more are announced."""


class Announcements:
    """Chooses what to announce in a run. `is_possible`: no limit and no other relay may send a mail another way."""

    def __init__(self, *, is_possible: bool) -> None:
        self._is_possible = is_possible
        self._announced = self._dropped = 0

    def choose(self, sessions: Iterable[Session], claims: ClaimQueue) -> list[int]:
        """Choose a delivery for each connection, to be announced with its next mail; returns all of them."""
        chosen: list[int] = []
        if self._is_possible and self._dropped * PER_DROP <= self._announced + PER_DROP:
            for session in sessions:
                if claims and session.connection.can_announce:
                    session.next_delivery = claims.take()
                    chosen.append(session.next_delivery)
        return chosen

    def write(self, session: Session, addresses: Mapping[int, str], composer: Composer) -> None:
        """Write the envelope of the chosen delivery, if its consent stands: then it is among `addresses`."""
        session.announce = None
        number = session.next_delivery
        if number is not None and (email := addresses.get(number)) is not None:
            with suppress(InvalidInput):  # the batch that composes the mail records this
                session.announce = composer.envelope(number, email)
                self._announced += 1

    def withheld(self, session: Session) -> None:
        """Count a delivery that the gate withheld, if it was announced."""
        self._dropped += session.connection.announced is not None
