"""Deliveries are claimed for a few seconds ahead, and announced only while their consent was read a moment ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.sending.claim_queue import FEWEST, MAX_AGE, MOST, PER_WITHHELD, ClaimQueue

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
PEOPLE = {number: f"person{number}@example.com" for number in range(1, MOST + 1)}


def _claimed(count: int) -> ClaimQueue:
    queue = ClaimQueue()
    asked = queue.number_to_claim(NOW)
    assert asked == FEWEST
    queue.add(dict(list(PEOPLE.items())[:count]), NOW)
    return queue


@pytest.mark.parametrize(
    ("seconds", "page"), [(0.02, MOST), (1.0, MOST), (2.0, 500), (20.0, FEWEST), (0.0, MOST)]
)
def test_a_page_is_what_five_seconds_take(seconds: float, page: int) -> None:
    queue = _claimed(FEWEST)
    for _ in range(FEWEST):
        queue.take()
    assert queue.number_to_claim(NOW + timedelta(seconds=seconds)) == page


def test_claims_are_taken_in_their_order_and_one_given_back_is_the_next() -> None:
    queue = _claimed(3)
    first = queue.take()
    queue.give_back(first)
    assert [queue.take().delivery_id for _ in range(3)] == [1, 2, 3]
    assert not queue
    with pytest.raises(IndexError):
        queue.take()


def test_a_page_that_is_not_full_is_the_last() -> None:
    assert not _claimed(FEWEST).exhausted
    last = _claimed(FEWEST - 1)
    assert last.exhausted
    assert last.number_to_claim(NOW) == 0


def test_no_more_is_claimed_while_half_a_page_is_left() -> None:
    queue = _claimed(FEWEST)
    for _ in range(FEWEST // 2):
        queue.take()
    assert queue.number_to_claim(NOW) == 0
    queue.take()
    assert queue.number_to_claim(NOW) > 0


def test_an_address_may_be_announced_for_ten_seconds() -> None:
    queue = _claimed(2)
    assert queue.take_announceable(NOW + MAX_AGE) is None
    for now in (NOW, NOW + MAX_AGE - timedelta(microseconds=1)):
        assert queue.take_announceable(now) is not None
    assert queue.take_announceable(NOW) is None


def test_nobody_is_announced_whose_consent_did_not_stand_at_the_claim() -> None:
    queue = ClaimQueue()
    queue.add({1: None}, NOW)
    assert queue.take_announceable(NOW) is None
    assert queue


def test_no_more_is_announced_once_more_than_one_in_a_hundred_was_withheld() -> None:
    queue = _claimed(FEWEST)
    queue.withheld = 1
    for _ in range(PER_WITHHELD - 1):
        assert queue.take_announceable(NOW) is not None
    queue.withheld = 2
    assert queue.take_announceable(NOW) is None
    queue.withheld = 1
    assert queue.take_announceable(NOW) is not None
    queue.withheld = 2
    assert queue.take_announceable(NOW) is not None
    queue.withheld = 3
    assert queue.take_announceable(NOW) is None
