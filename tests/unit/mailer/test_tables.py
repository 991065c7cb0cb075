"""Tables where standard output is no terminal: one line a row, also for a hundred thousand rows."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from mailer.commands.tables import format_table

CELLS = st.text(max_size=12)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8))
def test_each_row_is_one_line_below_the_titles(rows: list[tuple[str, str, str]]) -> None:
    lines = format_table(("id", "email", "state"), rows).split("\n")
    assert len(lines) == len(rows) + 1
    assert lines[0].split() == ["id", "email", "state"]


def test_columns_start_at_the_same_place() -> None:
    table = format_table(("id", "state"), [("1", "accepted"), ("123456", "two\nlines")])
    assert table == "id      state\n1       accepted\n123456  two lines"


def test_a_hundred_thousand_rows_take_seconds_not_most_of_a_minute() -> None:
    rows = [
        (str(n), f"person{n}@example.org", "accepted", "1", "", "", "250 2.0.0 Ok") for n in range(100_000)
    ]
    began = time.process_time()
    format_table(("id", "email", "state", "attempts", "last", "due", "reply"), rows)
    assert time.process_time() - began < 5
