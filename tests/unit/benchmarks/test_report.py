"""The results: what RESULTS.md says about a goal."""

from __future__ import annotations

import pytest

from benchmarks.report import Goal, Row, table


@pytest.mark.parametrize(
    ("goal", "found", "verdict"),
    [
        (Goal(1.0), 1.0, "yes"),
        (Goal(1.0), 0.9, "**no**, 10% below"),
        (Goal(100, "MB", at_most=True), 100, "yes"),
        (Goal(100, "MB", at_most=True), 150, "**no**, 50% above"),
    ],
)
def test_a_row_says_whether_its_goal_is_met_and_how_far_off(goal: Goal, found: float, verdict: str) -> None:
    assert str(Row("what", goal, found)).endswith(f"| {verdict} |")


def test_a_row_shows_the_spread_of_its_rounds() -> None:
    assert "| 2.00 (1.00 to 3.00) |" in str(Row("what", Goal(1.0), 2.0, [3.0, 1.0, 2.0]))


def test_a_table_aligns_columns_of_figures_to_the_right() -> None:
    written = table(("name", "figure", "why"), [("1", 1, "so"), ("b", "", "2")])
    assert written == "| name | figure | why |\n|---|---:|---|\n| 1 | 1 | so |\n| b |  | 2 |"
