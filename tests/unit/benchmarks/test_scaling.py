"""The cost model, and the tables of docs/scaling.md that it computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.scaling import Costs, Plan
from benchmarks.scaling.__main__ import PAGE
from benchmarks.scaling.simulation import Simulation
from benchmarks.scaling.tables import END, begin, put_into, quick_tables

COSTS = Costs(loop=100, commit=50, sign=300, sync=500, server=100)
MESSAGES = 3_000


def rate(plan: Plan, costs: Costs = COSTS) -> float:
    return Simulation(plan, costs, MESSAGES).run().rate


def test_near_the_relay_the_event_loop_is_the_limit() -> None:
    forecast = Simulation(Plan("near", round_trip=0.2), COSTS, MESSAGES).run()
    assert forecast.limiting_resource == "the event loop"
    assert forecast.rate == pytest.approx(1e6 / (100 + 50 + 500 / 10), rel=0.05)


def test_signed_one_of_two_cores_signs_all_the_time() -> None:
    forecast = Simulation(Plan("signed", round_trip=0.2, signed=True), COSTS, MESSAGES).run()
    assert forecast.limiting_resource == "the process that signs"
    assert forecast.rate == pytest.approx(1e6 / 300, rel=0.05)


def test_signed_by_two_processes_all_cores_are_busy() -> None:
    plan = Plan("signed", round_trip=0.2, signed=True, processes=2)
    forecast = Simulation(plan, COSTS, MESSAGES).run()
    assert forecast.limiting_resource == "the hosts' cores"
    assert forecast.rate == pytest.approx(2e6 / (100 + 50 + 300), rel=0.1)


def test_far_from_the_relay_an_announced_envelope_saves_half_of_the_time() -> None:
    announced, plain = (rate(Plan("far", round_trip=100, trips=trips)) for trips in (1, 2))
    assert announced / plain == pytest.approx(2, rel=0.05)


def test_the_limit_of_a_relay_is_kept() -> None:
    assert rate(Plan("limited", relay_limit=200)) == pytest.approx(200, rel=0.05)


def test_costs_are_written_rounded_and_read_again(tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    replace(COSTS, loop=101.4, sync=12.6).write(file)
    assert Costs.read(file) == replace(COSTS, loop=100, sync=13)


def test_the_page_has_the_tables_that_the_measured_costs_give() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, table in quick_tables(Costs.read()).items():
        assert f"{begin(name)}\n\n{table}\n\n{END}" in page, "run `python -m benchmarks.scaling --write`"


def test_a_page_without_a_place_for_a_table_is_left_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("No table.\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no place for the table costs"):
        put_into(page, {"costs": "| |"})
    assert page.read_text(encoding="utf-8") == "No table.\n"
