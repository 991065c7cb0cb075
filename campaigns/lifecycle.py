"""What may be done with a campaign in which state.

    draft -> approved -> scheduled -> sending <-> paused -> finished | cancelled
                                 `-> missed     (scheduled again, sent now, or cancelled)

Approving may be skipped where the settings do not ask for it. A finished campaign never goes out again: the
people who joined later get the next one.
"""

from __future__ import annotations

from enum import StrEnum

from campaigns.models import CampaignState
from mailer.errors import Refused

DRAFT, APPROVED, SCHEDULED, MISSED, SENDING, PAUSED, FINISHED, CANCELLED = CampaignState


class Act(StrEnum):
    """What can be done to a campaign."""

    APPROVE = "approve"
    SCHEDULE = "schedule"
    MISS = "miss"
    SEND = "send"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    FINISH = "finish"
    REOPEN = "reopen"


_TRANSITIONS: dict[Act, dict[CampaignState, CampaignState]] = {
    Act.APPROVE: {DRAFT: APPROVED, APPROVED: APPROVED},
    Act.SCHEDULE: {DRAFT: SCHEDULED, APPROVED: SCHEDULED, SCHEDULED: SCHEDULED, MISSED: SCHEDULED},
    Act.MISS: {SCHEDULED: MISSED},
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
}

_NEEDS_APPROVAL = frozenset({Act.SCHEDULE, Act.SEND})

_HINTS = {
    PAUSED: "Use `mailer campaigns resume` to go on.",
    FINISHED: "It has been sent; create a new campaign for new release notes.",
    CANCELLED: "It was cancelled; create a new campaign.",
}


_PARTICIPLES = {
    Act.APPROVE: "approved",
    Act.SCHEDULE: "scheduled",
    Act.MISS: "missed",
    Act.SEND: "sent",
    Act.PAUSE: "paused",
    Act.RESUME: "resumed",
    Act.CANCEL: "cancelled",
    Act.FINISH: "finished",
    Act.REOPEN: "reopened",
}


def after(act: Act, state: CampaignState, slug: str, *, approval_required: bool = False) -> CampaignState:
    """The state that `act` leads to.

    Raises Refused, saying why and what to do, where it may not be done in `state`.
    """
    if approval_required and act in _NEEDS_APPROVAL and state is DRAFT:
        raise Refused(
            f"Campaign {slug!r} is not approved yet.",
            hint=f"Look at it with `mailer campaigns preview {slug}`, then `mailer campaigns approve {slug}`.",
        )
    try:
        return _TRANSITIONS[act][state]
    except KeyError:
        raise Refused(
            f"Campaign {slug!r} is {state}, so it can't be {_PARTICIPLES[act]}.", hint=_HINTS.get(state)
        ) from None
