"""Which envelopes are announced to the relay, before the gate has let their deliveries through."""

from __future__ import annotations

from datetime import datetime

from campaigns.sending.claim_queue import ClaimQueue
from campaigns.sending.compose import Composer
from campaigns.sending.session import Session
from mailer.errors import InvalidInput

PER_DROP = 100
"""Announced envelopes for each one whose delivery was withheld; with fewer, no more are announced."""


class Announcements:
    """Chooses what to announce in a run, among its `claims`.

    `is_possible`: no limit and no other relay may send a mail another way.
    """

    def __init__(self, claims: ClaimQueue, composer: Composer, *, is_possible: bool) -> None:
        self._claims, self._composer = claims, composer
        self._is_possible = is_possible
        self._announced = self._dropped = 0

    def choose(self, session: Session, now: datetime) -> None:
        """Choose the claim of a connection that is announced with its next mail, and write its envelope."""
        session.announce = None
        is_rarely_withheld = self._dropped * PER_DROP <= self._announced + PER_DROP
        if self._is_possible and is_rarely_withheld and session.connection.can_announce:
            session.next_claim = claim = self._claims.take_announceable(now)
            if claim is not None and claim.address is not None:
                composer = self._composer.through(session.connection.relay)
                try:
                    session.announce = composer.envelope(claim.delivery_id, claim.address)
                except InvalidInput:  # the batch that composes the mail records this
                    return
                self._announced += 1

    def withheld(self, session: Session) -> None:
        """Count a delivery that the gate withheld, if it was announced."""
        self._dropped += session.connection.announced is not None
