"""Random histories of a campaign, in which everything may go wrong at any step: the promise holds in each.

A history that breaks it is named by its seed: `python -m tests.simulation SEED` tells it step by step.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.simulation.history import BrokenPromise, History, Template
from tests.simulation.walls import Wall, knock_out

HISTORIES = int(os.environ.get("MAILER_TESTS_HISTORIES", "600"))
FIRST = int(os.environ.get("MAILER_TESTS_SEED", "0"))
PARTS = 10
ENOUGH = 10_000  # seeds within which a missing wall is found out; most need fewer than a hundred


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    template = Template(tmp_path_factory.mktemp("simulation") / "mailer.db")
    yield template
    template.simulated.close()


@pytest.mark.parametrize("part", range(PARTS))
def test_no_history_breaks_the_promise(template: Template, part: int) -> None:
    for seed in range(FIRST + part, FIRST + HISTORIES, PARTS):
        History(template, seed).run()


@pytest.mark.parametrize("part", range(PARTS))
def test_no_history_of_postgresql_breaks_the_promise(template: Template, part: int) -> None:
    for seed in range(FIRST + part, FIRST + HISTORIES // 10, PARTS):
        History(template, seed, on_postgresql=True).run()


def test_without_the_gate_some_history_of_postgresql_breaks_the_promise(template: Template) -> None:
    with pytest.MonkeyPatch.context() as patch:
        knock_out(Wall.GATE_IS_THE_WRITE, patch)
        seed, _ = _counterexample(template, on_postgresql=True)
    History(template, seed, on_postgresql=True).run()


@pytest.mark.parametrize("wall", list(Wall))
def test_without_a_wall_some_history_breaks_the_promise_and_with_it_the_same_one_does_not(
    template: Template, wall: Wall
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        knock_out(wall, patch)
        seed, log = _counterexample(template)
        again = History(template, seed)
        with pytest.raises(BrokenPromise, match=f"seed {seed}:"):
            again.run()
        assert again.log == log, "a seed tells the same history each time"
    History(template, seed).run()


def _counterexample(template: Template, *, on_postgresql: bool = False) -> tuple[int, list[str]]:
    for seed in range(ENOUGH):
        history = History(template, seed, on_postgresql=on_postgresql)
        try:
            history.run()
        except BrokenPromise:
            return seed, history.log
    pytest.fail(f"no history out of {ENOUGH} noticed that the wall is missing")
