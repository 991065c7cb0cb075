"""The states of campaigns and deliveries."""

from __future__ import annotations

from enum import StrEnum


class CampaignState(StrEnum):
    """draft -> approved -> scheduled -> sending <-> paused -> finished | cancelled

    `missed` is a scheduled campaign that was not started before `start_before`; it waits for a new time.
    """

    DRAFT = "draft"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    MISSED = "missed"
    SENDING = "sending"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class DeliveryState(StrEnum):
    """pending -> claimed -> attempting -> accepted | deferred | rejected | uncertain; withheld without
    consent.

    `cancelled` is a delivery whose campaign was cancelled before it was accepted, `skipped` one that the
    operator gave up.
    """

    PENDING = "pending"
    CLAIMED = "claimed"
    ATTEMPTING = "attempting"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REJECTED = "rejected"
    UNCERTAIN = "uncertain"
    WITHHELD = "withheld"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class DeliveryReason(StrEnum):
    """Why a delivery is in its state, where that is not the relay's reply alone.

    `given_up` comes with the phase and the reply of the last attempt.
    """

    LIMIT = "limit"  # pending: a limit holds it back, and it has a place in the queue
    COMPOSE = "compose"  # rejected: the recipient's fields can't be sent
    GIVEN_UP = "given_up"  # rejected: deferred for too long
    ANNOUNCED = "announced"  # rejected or deferred: the relay refused the envelope before the gate
    CRASH = "crash"  # uncertain: its worker died during the attempt
