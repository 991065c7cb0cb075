"""What a run remembers of its mails, to compare with a database that may have gone back."""

from __future__ import annotations

import pytest

from campaigns.deliveries import Settlement
from campaigns.sending.hindsight import FORGOTTEN_AT_ONCE, REMEMBERED, Hindsight
from campaigns.states import DeliveryState


def test_the_newest_mails_are_remembered_with_their_attempts() -> None:
    hindsight = Hindsight(is_needed=True)
    last = REMEMBERED + FORGOTTEN_AT_ONCE + 1
    for number in range(1, last + 1):
        hindsight.remember([Settlement(number, number % 3 + 1, DeliveryState.ACCEPTED)])
    mailed = hindsight.mailed()
    assert mailed == {number: number % 3 + 1 for number in range(FORGOTTEN_AT_ONCE + 1, last + 1)}


@pytest.mark.parametrize(
    ("is_needed", "state"), [(True, DeliveryState.REJECTED), (False, DeliveryState.ACCEPTED)]
)
def test_what_was_not_mailed_or_can_not_go_back_is_not_remembered(
    is_needed: bool, state: DeliveryState
) -> None:
    hindsight = Hindsight(is_needed=is_needed)
    hindsight.remember([Settlement(1, 1, state)])
    assert hindsight.mailed() == {}
