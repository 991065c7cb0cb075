"""The order of the tests: each process begins with slow ones."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import NamedTuple, cast

import pytest

from tests.support.order import dealt


class _Test(NamedTuple):
    nodeid: str


def _tests(*names: str) -> list[pytest.Item]:
    return cast("list[pytest.Item]", [_Test(name) for name in names])


TESTS = _tests(
    "tests/acceptance/test_a.py::test_1",
    "tests/acceptance/test_a.py::test_2",
    "tests/acceptance/test_b.py::test_1",
    "tests/unit/test_c.py::test_1",
    "tests/unit/test_c.py::test_2",
    "tests/unit/test_d.py::test_1",
)


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_each_test_runs_once(processes: int) -> None:
    assert sorted(test.nodeid for test in dealt(TESTS, processes)) == sorted(test.nodeid for test in TESTS)


def test_each_process_begins_with_a_slow_module_and_keeps_modules_together() -> None:
    modules = [PurePosixPath(test.nodeid.partition("::")[0]).stem for test in dealt(TESTS, 2)]

    assert modules == ["test_a", "test_a", "test_d", "test_b", "test_c", "test_c"]
