"""The acts that each state of a campaign allows, and the state after each.

    draft -> approved -> scheduled -> sending <-> paused -> finished | cancelled
                                 `-> missed     (schedule it again, send it now, or cancel it)

Approval is needed only where the settings require it; `campaigns.approvals` counts it. A finished campaign is never
sent again: people who joined later get the next one.
"""

from __future__ import annotations

from enum import StrEnum

from campaigns.states import CampaignState
from mailer.errors import Refused

DRAFT, APPROVED, SCHEDULED, MISSED, SENDING, PAUSED, FINISHED, CANCELLED = CampaignState


class Act(StrEnum):
    """An act on a campaign."""

    APPROVE = "approve"
    SCHEDULE = "schedule"
    MISS = "miss"
    UNSCHEDULE = "unschedule"
    UPDATE = "update"
    DELETE = "delete"
    SEND = "send"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    FINISH = "finish"
    REOPEN = "reopen"
    ASSUME_SENT = "assume-sent"


_TRANSITIONS: dict[Act, dict[CampaignState, CampaignState]] = {
    Act.APPROVE: {DRAFT: APPROVED, APPROVED: APPROVED, SCHEDULED: SCHEDULED, MISSED: MISSED},
    Act.SCHEDULE: {DRAFT: SCHEDULED, APPROVED: SCHEDULED, SCHEDULED: SCHEDULED, MISSED: SCHEDULED},
    Act.MISS: {SCHEDULED: MISSED},
    Act.UNSCHEDULE: {SCHEDULED: DRAFT, MISSED: DRAFT},  # an approved one is approved again at once
    Act.UPDATE: {DRAFT: DRAFT, APPROVED: DRAFT, SCHEDULED: DRAFT, MISSED: DRAFT, PAUSED: DRAFT},
    Act.DELETE: {state: state for state in CampaignState if state is not SENDING},
    Act.SEND: {
        DRAFT: SENDING,
        APPROVED: SENDING,
        SCHEDULED: SENDING,
        MISSED: SENDING,
        SENDING: SENDING,
    },
    Act.PAUSE: {SENDING: PAUSED, PAUSED: PAUSED},
    Act.RESUME: {PAUSED: SENDING, SENDING: SENDING},
    Act.CANCEL: {
        DRAFT: CANCELLED,
        APPROVED: CANCELLED,
        SCHEDULED: CANCELLED,
        MISSED: CANCELLED,
        SENDING: CANCELLED,
        PAUSED: CANCELLED,
        CANCELLED: CANCELLED,
    },
    Act.FINISH: {SENDING: FINISHED},
    Act.REOPEN: {FINISHED: SENDING, SENDING: SENDING, PAUSED: PAUSED},
    Act.ASSUME_SENT: {
        DRAFT: FINISHED,
        APPROVED: FINISHED,
        SCHEDULED: FINISHED,
        MISSED: FINISHED,
        PAUSED: FINISHED,
    },
}

_HINTS = {
    DRAFT: "It has not begun. `mailer campaigns send` or `schedule` begins it.",
    APPROVED: "It has not begun. `mailer campaigns send` or `schedule` begins it.",
    MISSED: "Its time has passed. `mailer campaigns schedule` gives it another one.",
    SCHEDULED: "It has not begun. `mailer campaigns unschedule` removes its time.",
    SENDING: "`mailer campaigns pause` stops it for now.",
    PAUSED: "Continue it with `mailer campaigns resume`.",
    FINISHED: "It has been sent; create a new campaign for new release notes.",
    CANCELLED: "It was cancelled; create a new campaign.",
}


_PARTICIPLES = {
    Act.APPROVE: "approved",
    Act.SCHEDULE: "scheduled",
    Act.MISS: "missed",
    Act.UNSCHEDULE: "unscheduled",
    Act.UPDATE: "updated",
    Act.DELETE: "deleted",
    Act.SEND: "sent",
    Act.PAUSE: "paused",
    Act.RESUME: "resumed",
    Act.CANCEL: "cancelled",
    Act.FINISH: "finished",
    Act.REOPEN: "reopened",
    Act.ASSUME_SENT: "counted as sent",
}


def allows(act: Act, state: CampaignState) -> bool:
    """Whether `state` allows `act`."""
    return state in _TRANSITIONS[act]


def next_state(act: Act, state: CampaignState, slug: str) -> CampaignState:
    """The state after `act`.

    Raises Refused, with reason and hint, if `state` does not allow `act`.
    """
    if not allows(act, state):
        raise Refused(
            f"Campaign {slug!r} is {state}, so it can't be {_PARTICIPLES[act]}.", hint=_HINTS[state]
        )
    return _TRANSITIONS[act][state]
