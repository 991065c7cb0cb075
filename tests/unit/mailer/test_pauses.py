"""The pauses of a busy relay: longer while it serves nothing, short again once it has served."""

from __future__ import annotations

from itertools import accumulate

from mailer.smtp.pauses import FIRST_PAUSE, LAST_PAUSE, Pauses


def test_each_pause_that_did_not_help_is_followed_by_one_twice_as_long() -> None:
    pauses, now, lengths = Pauses(), 0.0, []
    while not pauses.in_vain:
        lengths.append(pauses.after_refusal(now, served=7))
        now += lengths[-1]
    assert lengths[:6] == [1, 2, 4, 8, 16, 32]
    assert list(accumulate(lengths[:6]))[-1] == 63
    assert lengths[6:] == [LAST_PAUSE]


def test_what_the_relay_served_since_makes_the_next_pause_short_again() -> None:
    pauses = Pauses()
    assert pauses.after_refusal(0, served=5) == FIRST_PAUSE
    assert pauses.after_refusal(1, served=5) == 2 * FIRST_PAUSE
    assert pauses.after_refusal(3, served=6) == FIRST_PAUSE
    assert not pauses.in_vain


def test_refusals_of_what_was_under_way_do_not_lengthen_the_pause() -> None:
    pauses = Pauses()
    pauses.after_refusal(0, served=5)
    assert [pauses.after_refusal(now, served=5) for now in (0.25, 0.5)] == [0.75, 0.5]
    assert pauses.after_refusal(1, served=5) == 2 * FIRST_PAUSE
