"""Cells that a spreadsheet would take for formulas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.rights.spreadsheet import original, without_formula


@pytest.mark.parametrize("cell", ["=1+1", "+31 6", "-x@example.com", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_becomes_a_text(cell: str) -> None:
    assert without_formula(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "jan@example.com", "'o'hara@example.com", "a=b"])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert without_formula(cell) == cell


@given(st.text(alphabet="'=+-@a\t\r", max_size=6))
def test_the_text_can_be_read_back(cell: str) -> None:
    assert original(without_formula(cell)) == cell
