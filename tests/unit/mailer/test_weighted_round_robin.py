"""Shares: by weight, evenly mixed, and nobody makes up for turns that it could not take."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mailer.smtp.relays import WeightedRoundRobin

WEIGHTS = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 20), min_size=1)


@given(WEIGHTS, st.integers(1, 10))
def test_turns_are_in_proportion_to_the_weights(weights: dict[str, int], rounds: int) -> None:
    shares, total = WeightedRoundRobin(weights), sum(weights.values())
    turns = Counter(shares.pick(weights) for _ in range(total * rounds))
    for name, weight in weights.items():
        assert turns[name] == weight * rounds


def test_turns_are_mixed() -> None:
    shares = WeightedRoundRobin({"a": 3, "b": 1})
    turns = "".join(shares.pick("ab") for _ in range(12))
    assert all(1 <= turns[start : start + 5].count("b") <= 2 for start in range(len(turns) - 4))


def test_who_comes_back_gets_no_more_than_its_share() -> None:
    shares = WeightedRoundRobin({"a": 1, "b": 1})
    for _ in range(1000):
        assert shares.pick("a") == "a"
    turns = Counter(shares.pick("ab") for _ in range(20))
    assert turns["a"] >= 9


@given(WEIGHTS, st.data())
def test_only_who_is_able_is_picked(weights: dict[str, int], data: st.DataObject) -> None:
    shares = WeightedRoundRobin(weights)
    for _ in range(20):
        able = data.draw(st.sets(st.sampled_from(sorted(weights)), min_size=1))
        assert shares.pick(able) in able
