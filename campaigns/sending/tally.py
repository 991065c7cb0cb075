"""Count the outcomes of a run, and notice those that concern more than one mail."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime

from msgspec import Struct, field

from campaigns.deliveries import Settlement
from campaigns.states import DeliveryState
from mailer.errors import MailerError, RelayUnavailable
from mailer.smtp import (
    Accepted,
    Deferred,
    FailureScope,
    Outcome,
    Rejected,
    Uncertain,
    may_mean_everybody,
    says_busy,
)

MAX_REFUSALS = 3  # that may mean everybody, of different recipients, with nothing accepted in between
MAX_CUT_OFFS = 3  # per connection, with nothing accepted in between: then the relay counts as away
MAX_UNCERTAIN = 3  # likewise: each further mail would be uncertain too


class Tally(Struct):
    """How many attempts of a run ended in each state so far, and why the run ended early.

    `stopped` is set when no other mail is to be begun. `pause_reason` is why the campaign pauses until a person acts.
    `wrongly_rejected` are deliveries that were rejected before it was clear that the relay refuses everybody.
    """

    states: Counter[DeliveryState] = field(default_factory=Counter)
    error: MailerError | None = None
    pause_reason: str | None = None
    limited_until: datetime | None = None
    wrongly_rejected: set[int] = field(default_factory=set)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    _cut_offs: int = 0
    _uncertain: int = 0
    _refused: set[int] = field(default_factory=set)

    def fail(self, error: MailerError) -> None:
        """Stop the run because of an error; the first one counts."""
        self.error = self.error or error
        self.stopped.set()

    def count(self, outcome: Outcome, settlement: Settlement, connections: int) -> None:
        """Count an outcome, and stop the run where it concerns more than this mail."""
        if settlement.state is not DeliveryState.PENDING:
            self.states[settlement.state] += 1
        match outcome:
            case Accepted():
                self._cut_offs = self._uncertain = 0
                self._refused.clear()
            case Rejected(scope=FailureScope.SENDER | FailureScope.RELAY):
                self._refused_by_relay(outcome)
            case Rejected() if may_mean_everybody(outcome):
                self._cut_offs = 0
                self._refused.add(settlement.delivery_id)
                if len(self._refused) >= MAX_REFUSALS:  # then the relay refuses the sender
                    self.wrongly_rejected |= self._refused
                    self._refused_by_relay(outcome)
            case Deferred() if outcome.scope is FailureScope.CONNECTION or says_busy(outcome):
                pass  # another connection serves it, or the relays decide how long to wait
            case Deferred(scope=FailureScope.RELAY):
                self._cut_offs += 1
                if self._cut_offs >= MAX_CUT_OFFS * connections:
                    self.fail(RelayUnavailable(f"The relay accepts no mail: {outcome.reason.rstrip('.')}."))
            case Uncertain():
                self._count_uncertain(outcome.reason, connections)
            case _:
                self._cut_offs = 0

    def _count_uncertain(self, reason: str, connections: int) -> None:
        self._uncertain += 1
        if self._uncertain >= MAX_UNCERTAIN * connections:
            self._pause(f"{self._uncertain} mails in a row are uncertain: {reason}")

    def _refused_by_relay(self, outcome: Rejected) -> None:
        self._pause(f"The relay refuses our mail: {outcome.reason}")

    def _pause(self, reason: str) -> None:
        """Stop the run, for the campaign is to pause; the first reason counts."""
        self.pause_reason = self.pause_reason or reason
        self.stopped.set()
