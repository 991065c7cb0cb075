"""Which envelopes are announced to the relay, before the gate has let their deliveries through."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

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

    def choose(self, sessions: Iterable[Session], claims: ClaimQueue, now: datetime) -> None:
        """Choose a claim for each connection, to be announced with its next mail."""
        if self._is_possible and self._dropped * PER_DROP <= self._announced + PER_DROP:
            for session in sessions:
                if session.connection.can_announce and claims.is_announceable(now):
                    session.next_claim = claims.take()

    def write(self, session: Session, composer: Composer) -> None:
        """Write the envelope of the chosen claim."""
        session.announce = None
        claim = session.next_claim
        if claim is not None and claim.address is not None:
            with suppress(InvalidInput):  # the batch that composes the mail records this
                session.announce = composer.envelope(claim.delivery_id, claim.address)
                self._announced += 1

    def withheld(self, session: Session) -> None:
        """Count a delivery that the gate withheld, if it was announced."""
        self._dropped += session.connection.announced is not None
