"""Attempt number + outcome -> what the delivery's row says next, and when it is tried again, or given up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple, assert_never

from campaigns.models import DeliveryState
from mailer.config import RetrySettings
from mailer.smtp import Accepted, Deferred, Outcome, Rejected, Scope, Uncertain, says_no_such_address

JITTER = 0.2
QUICK_TRIES = 3
SERVICE_CLOSING = 421


class Settlement(NamedTuple):
    """What became of attempt number `attempt`. `next_attempt_at` is the time of the next try, where there is one.

    `suppress` says that there is no such address, so that it is not to be mailed again.
    """

    delivery_id: int
    attempt: int
    state: DeliveryState
    next_attempt_at: datetime | None = None
    phase: str | None = None
    reply_code: int | None = None
    diagnostic: str | None = None
    suppress: bool = False


def settlement_for(
    delivery_id: int,
    outcome: Outcome,
    *,
    attempts: int,
    first_attempted_at: datetime,
    now: datetime,
    policy: RetrySettings,
    luck: float,
    elsewhere: bool = False,
) -> Settlement:
    """What to write for `outcome` of attempt number `attempts`. `luck` is a random number from 0 to 1.

    `elsewhere`: there is another relay, which may take at once what this one puts off for reasons of its own.
    """
    if isinstance(outcome, Accepted):
        reply = outcome.reply
        return Settlement(delivery_id, attempts, DeliveryState.ACCEPTED, None, None, reply.code, str(reply))
    next_attempt_at: datetime | None = None
    reason = outcome.reason
    match outcome:
        case Uncertain():
            state = DeliveryState.UNCERTAIN
        case Rejected(scope=Scope.RECIPIENT):
            state = DeliveryState.REJECTED
        case Rejected():
            # The relay refuses us, not the subscriber: the campaign stops and this mail waits for the cure.
            state, next_attempt_at = DeliveryState.PENDING, now
        case Deferred(scope=Scope.CONNECTION):
            state, next_attempt_at = DeliveryState.PENDING, now
        case Deferred(scope=Scope.RELAY) if (elsewhere or _was_cut_off(outcome)) and attempts <= QUICK_TRIES:
            state, next_attempt_at = DeliveryState.PENDING, now
        case Deferred():
            state = DeliveryState.DEFERRED
            next_attempt_at = next_attempt(attempts, first_attempted_at, now, policy, luck)
            if next_attempt_at is None:
                state, reason = DeliveryState.REJECTED, f"given up: {outcome.reason}"
        case _:
            assert_never(outcome)
    said = None if isinstance(outcome, Uncertain) else outcome.reply
    return Settlement(
        delivery_id=delivery_id,
        attempt=attempts,
        state=state,
        next_attempt_at=next_attempt_at,
        phase=outcome.phase.value,
        reply_code=said.code if said else None,
        diagnostic=reason,
        suppress=says_no_such_address(outcome),
    )


def next_attempt(
    attempts: int, first_attempted_at: datetime, now: datetime, policy: RetrySettings, luck: float
) -> datetime | None:
    """The time of the next attempt after `attempts` deferred ones, or None when it is time to give up.

    Waits double from `first_seconds` up to `longest_seconds` (RFC 5321 section 4.5.4.1). `luck` lengthens the
    wait by up to a fifth, so that a thousand mails deferred together do not come back together; it never
    shortens it.
    """
    doubled = policy.first_seconds * 2 ** min(max(attempts - 1, 0), 32)
    wait = min(doubled, policy.longest_seconds) * (1 + JITTER * luck)
    due = now + timedelta(seconds=wait)
    return due if due <= first_attempted_at + timedelta(seconds=policy.give_up_seconds) else None


def _was_cut_off(outcome: Deferred) -> bool:
    """Whether the connection went before the content was offered, so that another may take it at once."""
    return outcome.reply is None or outcome.reply.code == SERVICE_CLOSING
