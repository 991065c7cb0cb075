"""Tables where standard output is no terminal: one line a row, also for a hundred thousand rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailer.commands.tables import format_table
from tests.support.cost import costs_less, cpu_seconds

CELLS = st.text(max_size=12)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8))
def test_each_row_is_one_line_below_the_titles(rows: list[tuple[str, str, str]]) -> None:
    lines = format_table(("id", "email", "state"), rows).split("\n")
    assert len(lines) == len(rows) + 1
    assert lines[0].split() == ["id", "email", "state"]


def test_columns_start_at_the_same_place() -> None:
    table = format_table(("id", "state"), [("1", "accepted"), ("123456", "two\nlines")])
    assert table == "id      state\n1       accepted\n123456  two lines"


def test_the_cost_of_a_table_grows_with_its_rows_and_no_faster() -> None:
    """Ten times the rows may cost thirty times as much here; the square would be a hundred times."""
    few, many = (
        [(str(n), f"person{n}@example.org", "accepted", "250 2.0.0 Ok") for n in range(rows)]
        for rows in (2_000, 20_000)
    )
    titles = ("id", "email", "state", "reply")
    assert costs_less(lambda: format_table(titles, many), 30 * cpu_seconds(lambda: format_table(titles, few)))
