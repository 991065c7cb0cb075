"""WeightedRoundRobin picks by weight, evenly mixed, and a name that was not available gets no extra picks later."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mailer.smtp.relays import WeightedRoundRobin

WEIGHTS = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 20), min_size=1)


@given(WEIGHTS, st.integers(1, 10))
def test_turns_are_in_proportion_to_the_weights(weights: dict[str, int], rounds: int) -> None:
    shares, total = WeightedRoundRobin(weights), sum(weights.values())
    picks = Counter(shares.pick(weights) for _ in range(total * rounds))
    for name, weight in weights.items():
        assert picks[name] == weight * rounds


def test_turns_are_mixed() -> None:
    shares = WeightedRoundRobin({"a": 3, "b": 1})
    picks = "".join(shares.pick("ab") for _ in range(12))
    assert all(1 <= picks[start : start + 5].count("b") <= 2 for start in range(len(picks) - 4))


def test_who_comes_back_gets_no_more_than_its_share() -> None:
    shares = WeightedRoundRobin({"a": 1, "b": 1})
    for _ in range(1000):
        assert shares.pick("a") == "a"
    picks = Counter(shares.pick("ab") for _ in range(20))
    assert picks["a"] >= 9


@given(WEIGHTS, st.data())
def test_only_who_is_able_is_picked(weights: dict[str, int], data: st.DataObject) -> None:
    shares = WeightedRoundRobin(weights)
    for _ in range(20):
        able = data.draw(st.sets(st.sampled_from(sorted(weights)), min_size=1))
        assert shares.pick(able) in able
