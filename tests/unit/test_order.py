"""The order of the tests: each process begins with slow ones."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import NamedTuple, cast

import pytest

from tests.support.order import begun_elsewhere, dealt


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


def test_each_process_collects_all_modules_and_begins_with_others(tmp_path: Path) -> None:
    for name in ("a/test_1.py", "a/test_2.py", "b/test_3.py", "b/support.py"):
        tmp_path.joinpath(name).parent.mkdir(exist_ok=True)
        tmp_path.joinpath(name).touch()

    collected = [begun_elsewhere(tmp_path, process, 3) for process in range(3)]

    assert [Path(modules[0]).name for modules in collected] == ["test_1.py", "test_2.py", "test_3.py"]
    assert {tuple(sorted(modules)) for modules in collected} == {tuple(collected[0])}
    assert len(collected[0]) == 3
