"""Which acts are allowed in which state of a campaign, and the state that each leads to."""

from __future__ import annotations

import itertools

import pytest

from campaigns.lifecycle import Act, allows, next_state
from campaigns.states import CampaignState
from mailer.errors import Refused

DRAFT, APPROVED, SCHEDULED, MISSED, SENDING, PAUSED, FINISHED, CANCELLED = CampaignState

TRANSITIONS = {
    (Act.APPROVE, DRAFT): APPROVED,
    (Act.APPROVE, APPROVED): APPROVED,
    (Act.APPROVE, SCHEDULED): SCHEDULED,
    (Act.APPROVE, MISSED): MISSED,
    (Act.SCHEDULE, DRAFT): SCHEDULED,
    (Act.SCHEDULE, APPROVED): SCHEDULED,
    (Act.SCHEDULE, SCHEDULED): SCHEDULED,
    (Act.SCHEDULE, MISSED): SCHEDULED,
    (Act.MISS, SCHEDULED): MISSED,
    (Act.UNSCHEDULE, SCHEDULED): DRAFT,
    (Act.UNSCHEDULE, MISSED): DRAFT,
    (Act.UPDATE, DRAFT): DRAFT,
    (Act.UPDATE, APPROVED): DRAFT,
    (Act.UPDATE, SCHEDULED): DRAFT,
    (Act.UPDATE, MISSED): DRAFT,
    (Act.UPDATE, PAUSED): DRAFT,
    (Act.DELETE, DRAFT): DRAFT,
    (Act.DELETE, APPROVED): APPROVED,
    (Act.DELETE, SCHEDULED): SCHEDULED,
    (Act.DELETE, MISSED): MISSED,
    (Act.DELETE, PAUSED): PAUSED,
    (Act.DELETE, FINISHED): FINISHED,
    (Act.DELETE, CANCELLED): CANCELLED,
    (Act.SEND, DRAFT): SENDING,
    (Act.SEND, APPROVED): SENDING,
    (Act.SEND, SCHEDULED): SENDING,
    (Act.SEND, MISSED): SENDING,
    (Act.SEND, SENDING): SENDING,
    (Act.PAUSE, SENDING): PAUSED,
    (Act.PAUSE, PAUSED): PAUSED,
    (Act.RESUME, PAUSED): SENDING,
    (Act.RESUME, SENDING): SENDING,
    (Act.CANCEL, DRAFT): CANCELLED,
    (Act.CANCEL, APPROVED): CANCELLED,
    (Act.CANCEL, SCHEDULED): CANCELLED,
    (Act.CANCEL, MISSED): CANCELLED,
    (Act.CANCEL, SENDING): CANCELLED,
    (Act.CANCEL, PAUSED): CANCELLED,
    (Act.CANCEL, CANCELLED): CANCELLED,
    (Act.FINISH, SENDING): FINISHED,
    (Act.REOPEN, FINISHED): SENDING,
    (Act.REOPEN, SENDING): SENDING,
    (Act.REOPEN, PAUSED): PAUSED,
    (Act.ASSUME_SENT, DRAFT): FINISHED,
    (Act.ASSUME_SENT, APPROVED): FINISHED,
    (Act.ASSUME_SENT, SCHEDULED): FINISHED,
    (Act.ASSUME_SENT, MISSED): FINISHED,
    (Act.ASSUME_SENT, PAUSED): FINISHED,
}
FORBIDDEN = sorted(set(itertools.product(Act, CampaignState)) - set(TRANSITIONS))


@pytest.mark.parametrize(("act", "state"), TRANSITIONS)
def test_an_allowed_act_leads_to_its_state(act: Act, state: CampaignState) -> None:
    assert allows(act, state)
    assert next_state(act, state, "notes") is TRANSITIONS[act, state]


@pytest.mark.parametrize(("act", "state"), FORBIDDEN)
def test_any_other_act_is_refused_with_the_state_and_what_to_do(act: Act, state: CampaignState) -> None:
    assert not allows(act, state)
    with pytest.raises(Refused, match=rf"'notes' is {state}, so it can't be") as caught:
        next_state(act, state, "notes")
    assert caught.value.hint


def test_sending_a_paused_campaign_is_refused_with_the_command_to_resume_it() -> None:
    with pytest.raises(Refused, match="mailer campaigns resume"):
        next_state(Act.SEND, PAUSED, "notes")
