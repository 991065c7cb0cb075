"""One connection in use, and its mail in flight."""

from __future__ import annotations

import asyncio
from datetime import datetime

from msgspec import Struct

from campaigns.deliveries import Attempt
from campaigns.sending.claim_queue import Claim, ClaimQueue
from campaigns.sending.compose import Composer
from mailer.errors import InvalidInput
from mailer.smtp import Envelope
from mailer.smtp.connection import Connection


class Session(Struct, eq=False):
    """A connection in use. `ended` is done when it is given back.

    `attempt` is what the gate let through last, and `timer` is set while its rate holds its mail. `next_claim` is the
    one to announce with it, and `announce` the envelope of that.
    """

    connection: Connection
    ended: asyncio.Future[None]
    attempt: Attempt | None = None
    timer: asyncio.TimerHandle | None = None
    next_claim: Claim | None = None
    announce: Envelope | None = None

    def choose_announced(self, claims: ClaimQueue, composer: Composer, now: datetime) -> None:
        """Choose the claim that is announced with the next mail, and write its envelope."""
        self.announce = None
        if not self.connection.can_announce:
            return
        self.next_claim = claim = claims.take_announceable(now)
        if claim is not None and claim.address is not None:
            composer = composer.through(self.connection.relay)
            try:
                self.announce = composer.envelope(claim.delivery_id, claim.address)
            except InvalidInput:  # the batch that composes the mail records this
                return

    def end(self, error: Exception | None = None) -> None:
        """Give the connection back."""
        self.connection.drop_announced()
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)
