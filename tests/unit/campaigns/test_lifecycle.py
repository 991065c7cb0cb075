"""What may be done with a campaign in which state."""

from __future__ import annotations

import pytest

from campaigns.lifecycle import Act, after
from campaigns.models import CampaignState
from mailer.errors import Refused

DRAFT, APPROVED, SCHEDULED, MISSED, SENDING, PAUSED, FINISHED, CANCELLED = CampaignState


@pytest.mark.parametrize(
    ("act", "state", "expected"),
    [
        (Act.APPROVE, DRAFT, APPROVED),
        (Act.SCHEDULE, APPROVED, SCHEDULED),
        (Act.SEND, DRAFT, SENDING),
        (Act.SEND, SCHEDULED, SENDING),
        (Act.MISS, SCHEDULED, MISSED),
        (Act.SCHEDULE, MISSED, SCHEDULED),
        (Act.SEND, MISSED, SENDING),
        (Act.CANCEL, MISSED, CANCELLED),
        (Act.PAUSE, SENDING, PAUSED),
        (Act.RESUME, PAUSED, SENDING),
        (Act.CANCEL, PAUSED, CANCELLED),
        (Act.FINISH, SENDING, FINISHED),
        (Act.REOPEN, FINISHED, SENDING),
    ],
)
def test_a_campaign_goes_from_state_to_state(act: Act, state: CampaignState, expected: CampaignState) -> None:
    assert after(act, state, "notes") is expected


@pytest.mark.parametrize("act", [act for act in Act if act is not Act.REOPEN])
@pytest.mark.parametrize("state", [FINISHED, CANCELLED])
def test_an_ended_campaign_stays_as_it_is(act: Act, state: CampaignState) -> None:
    if (act, state) == (Act.CANCEL, CANCELLED):
        assert after(act, state, "notes") is CANCELLED
        return
    with pytest.raises(Refused, match=f"is {state}"):
        after(act, state, "notes")


def test_a_paused_campaign_is_not_sent_but_says_how_to_go_on() -> None:
    with pytest.raises(Refused, match="mailer campaigns resume"):
        after(Act.SEND, PAUSED, "notes")


@pytest.mark.parametrize("act", [Act.SEND, Act.SCHEDULE])
def test_a_draft_is_not_sent_where_approval_is_required(act: Act) -> None:
    with pytest.raises(Refused, match="not approved"):
        after(act, DRAFT, "notes", approval_required=True)
    assert after(act, APPROVED, "notes", approval_required=True) in {SENDING, SCHEDULED}
