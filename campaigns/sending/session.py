"""One connection in use, and its mail in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from campaigns.deliveries import Attempt
from campaigns.sending.claim_queue import Claim, ClaimQueue
from campaigns.sending.compose import Composer
from mailer.errors import InvalidInput, Refused
from mailer.message import Content
from mailer.smtp import Envelope, Outcome
from mailer.smtp.connection import Connection
from subscribers.audience import ConsentedRecipient

UNCOMMITTED = "the address on file is not the one that the consent ledger commits to"


class Session(Struct, eq=False):
    """A connection in use. `ended` is done when it is given back; `ready` is called with the outcome of its mail in flight.

    `attempt` is what the gate let through last, and `timer` is set while its rate holds its mail. `next_claim` is the
    one to announce with it, and `announce` the envelope of that.
    """

    connection: Connection
    ended: asyncio.Future[None]
    ready: Callable[[Session, Outcome], None]
    attempt: Attempt | None = None
    timer: asyncio.TimerHandle | None = None
    next_claim: Claim | None = None
    announce: Envelope | None = None

    def conclude(self, outcome: Outcome) -> None:
        """The mail in flight has an outcome."""
        self.ready(self, outcome)

    def refusal_of(self, email: str) -> Outcome | None:
        """The outcome where the relay refused this recipient when the mail was announced."""
        refused = self.connection.refused
        return refused[1] if refused is not None and refused[0].recipient == email else None

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

    def compose(
        self, composer: Composer, recipient: ConsentedRecipient, now: datetime
    ) -> tuple[Envelope, Content]:
        """The mail on this connection. Raises InvalidInput where the recipient's fields can't be sent.

        Raises Refused where their address is not the one that they gave their consent with.
        """
        if not recipient.is_committed():
            raise Refused(
                f"The campaign is paused: of subscriber {recipient.subscriber_id} {UNCOMMITTED}.",
                hint="Keep this database as it is. `mailer consent verify` says more.",
            )
        return composer.through(self.connection.relay).compose(recipient, now, self.connection.announced)

    def end(self, error: Exception | None = None) -> None:
        """Give the connection back."""
        self.connection.drop_announced()
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)
