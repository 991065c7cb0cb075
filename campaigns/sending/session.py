"""One connection in use, and its mail in flight."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from datetime import datetime

from msgspec import Struct

from campaigns.deliveries import Attempt, Settlement, settlement_for
from campaigns.sending.claim_queue import Claim
from mailer.config import RetrySettings
from mailer.message import Content
from mailer.smtp import Envelope, Outcome
from mailer.smtp.connection import Connection


class Session(Struct, eq=False):
    """A connection in use. `ended` is done when it is given back; `ready` is called when the mail in flight has ended.

    `attempt` is what the gate let through, `mail` is composed and not offered yet, and `timer` is set while its rate
    holds it. `next_claim` is the one to announce with it, and `announce` the envelope of that. `outcome` is what the relay
    said, and `settlement` what to record where it is not asked.
    """

    connection: Connection
    ended: asyncio.Future[None]
    ready: Callable[[Session], None]
    attempt: Attempt | None = None
    mail: tuple[Envelope, Content] | None = None
    timer: asyncio.TimerHandle | None = None
    next_claim: Claim | None = None
    announce: Envelope | None = None
    outcome: Outcome | None = None
    settlement: Settlement | None = None

    def conclude(self, outcome: Outcome) -> None:
        """Note what the relay said about the mail in flight."""
        self.outcome = outcome
        self.ready(self)

    def offer(self, may_offer: Callable[[], bool]) -> None:
        """Offer the composed mail, once; `may_offer` is asked right before."""
        assert self.mail is not None  # noqa: S101 - it was composed
        (envelope, content), self.mail, self.timer = self.mail, None, None
        self.connection.offer(envelope, content, self.conclude, may_offer, self.announce)

    def take_refusal(self, attempt: Attempt) -> bool:
        """Whether the relay refused this recipient when the mail was announced; that is then the outcome."""
        refused = self.connection.refused
        if refused is None or refused[0].recipient != attempt.recipient.email:
            return False
        self.outcome = refused[1]
        return True

    def settle(self, now: datetime, policy: RetrySettings, *, has_other_relay: bool) -> Settlement | None:
        """What to record about the last mail, once."""
        outcome, attempt, settlement = self.outcome, self.attempt, self.settlement
        self.outcome = self.attempt = self.settlement = None
        if outcome is None or attempt is None:
            return settlement
        refused = self.connection.refused
        return settlement_for(
            attempt.recipient.delivery_id,
            outcome,
            attempts=attempt.attempts,
            first_attempted_at=attempt.first_attempted_at,
            now=now,
            policy=policy,
            jitter=random.random(),  # noqa: S311 - spreads retries, keeps no secret
            has_other_relay=has_other_relay,
            was_announced=refused is not None and refused[1] is outcome,
        )

    def end(self, error: BaseException | None = None) -> None:
        """Give the connection back."""
        self.connection.drop_announced()
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)


def end_all(sessions: Iterable[Session], error: BaseException | None = None) -> None:
    """Give the connections back; the tasks that use them get `error`."""
    for session in sessions:
        session.end(error)
