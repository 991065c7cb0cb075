"""Decide what follows from an outcome: the delivery's next state, and the time of the next attempt."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple, assert_never

from campaigns.states import DeliveryReason, DeliveryState
from mailer.config import RetrySettings
from mailer.smtp import (
    Accepted,
    Deferred,
    FailureScope,
    Outcome,
    Rejected,
    Uncertain,
    says_busy,
    says_no_such_address,
)

MAX_JITTER = 0.2  # of a wait
QUICK_RETRIES = 3
BUSY_RETRIES = 20  # more than a relay over its rate causes; then the recipient may be meant after all
SERVICE_CLOSING = 421  # RFC 5321 section 3.8


class Settlement(NamedTuple):
    """What to record about attempt number `attempt`. `next_attempt_at` is the time of the next one, if any.

    `suppress` says that the address does not exist, so that it must not be mailed again.
    """

    delivery_id: int
    attempt: int
    state: DeliveryState
    next_attempt_at: datetime | None = None
    smtp_phase: str | None = None
    reason: DeliveryReason | None = None
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
    jitter: float,
    has_other_relay: bool = False,
    was_announced: bool = False,
) -> Settlement:
    """What to record for `outcome` of attempt number `attempts`. `jitter` is a random number from 0 to 1.

    `has_other_relay`: another relay may accept at once what this relay defers for its own reasons. `was_announced`: the
    relay refused the envelope before the gate let the delivery through.
    """
    if isinstance(outcome, Accepted):
        reply = outcome.reply
        return Settlement(
            delivery_id, attempts, DeliveryState.ACCEPTED, None, None, None, reply.code, str(reply)
        )
    next_attempt_at: datetime | None = None
    reason = DeliveryReason.ANNOUNCED if was_announced else None
    match outcome:
        case Uncertain():
            state = DeliveryState.UNCERTAIN
        case Rejected(scope=FailureScope.RECIPIENT):
            state = DeliveryState.REJECTED
        case Rejected():
            # The relay refuses us, not the subscriber: the campaign pauses and this mail waits.
            state, next_attempt_at = DeliveryState.PENDING, now
        case Deferred() if _is_tried_at_once(
            outcome,
            attempts,
            has_other_relay=has_other_relay,
            is_late=now > _gives_up_at(first_attempted_at, policy),
        ):
            state, next_attempt_at = DeliveryState.PENDING, now
        case Deferred():
            state = DeliveryState.DEFERRED
            next_attempt_at = next_attempt(attempts, first_attempted_at, now, policy, jitter)
            if next_attempt_at is None:
                state, reason = DeliveryState.REJECTED, DeliveryReason.GIVEN_UP
        case _:
            assert_never(outcome)
    last_reply = None if isinstance(outcome, Uncertain) else outcome.reply
    return Settlement(
        delivery_id=delivery_id,
        attempt=attempts,
        state=state,
        next_attempt_at=next_attempt_at,
        smtp_phase=outcome.phase.value,
        reason=reason,
        reply_code=last_reply.code if last_reply else None,
        diagnostic=outcome.reason,
        suppress=says_no_such_address(outcome),
    )


def _is_tried_at_once(outcome: Deferred, attempts: int, *, has_other_relay: bool, is_late: bool) -> bool:
    """Whether the mail is tried again at once: no recipient is meant."""
    if outcome.scope is FailureScope.CONNECTION:
        return True
    is_relays = outcome.scope is FailureScope.RELAY and (has_other_relay or _was_cut_off(outcome))
    if is_relays and attempts <= QUICK_RETRIES:
        return True
    # A busy relay is left alone for a while; then this mail is as good as any other.
    return says_busy(outcome) and attempts <= BUSY_RETRIES and not is_late


def next_attempt(
    attempts: int, first_attempted_at: datetime, now: datetime, policy: RetrySettings, jitter: float
) -> datetime | None:
    """The time of the next attempt after `attempts` deferred ones, or None when it is time to give up.

    The wait doubles from `first_seconds` up to `longest_seconds` (RFC 5321 section 4.5.4.1). Attempts that were made
    without a wait between them do not double it. `jitter` lengthens it by up to a fifth, so that mails deferred together are
    not all tried at the same moment; it never shortens it.
    """
    doubled = policy.first_seconds * 2 ** min(max(attempts - 1, 0), 32)
    # The waits before it, each doubled, give this one less `first_seconds`.
    at_most = policy.first_seconds + max((now - first_attempted_at).total_seconds(), 0)
    wait = min(doubled, at_most, policy.longest_seconds) * (1 + MAX_JITTER * jitter)
    due = now + timedelta(seconds=wait)
    return due if due <= _gives_up_at(first_attempted_at, policy) else None


def _gives_up_at(first_attempted_at: datetime, policy: RetrySettings) -> datetime:
    return first_attempted_at + timedelta(seconds=policy.give_up_seconds)


def _was_cut_off(outcome: Deferred) -> bool:
    """Whether the connection closed before the content was offered, so that another may be used at once."""
    return outcome.reply is None or outcome.reply.code == SERVICE_CLOSING
