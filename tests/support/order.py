"""The order of tests, so that several processes end at about the same time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

# Tests that start processes and wait for them. If they came last, one process would still run them when the others are done.
SLOW = ("acceptance", "interleaving", "simulation", "corpus")


def dealt(tests: Sequence[pytest.Item], processes: int) -> list[pytest.Item]:
    """The tests in as many parts as there are processes, each of which begins with slow ones.

    pytest-xdist gives each process a part of the same length, from front to back. The tests of a module stay together.
    """
    modules: dict[str, list[pytest.Item]] = defaultdict(list)
    for test in tests:
        modules[test.nodeid.partition("::")[0]].append(test)
    parts: list[list[pytest.Item]] = [[] for _ in range(processes)]
    slow = [name for name in sorted(modules) if name.split("/")[1] in SLOW]
    for number, name in enumerate(slow):
        parts[number % processes].extend(modules.pop(name))
    for name in sorted(modules):
        min(parts, key=len).extend(modules[name])
    return [test for part in parts for test in part]


def begun_elsewhere(folder: Path, process: int, processes: int) -> list[str]:
    """The test modules in `folder`, beginning with others in each process.

    pytest rewrites the assertions of a module when it is imported, which takes most of the time of the collection, and keeps
    the result: this way a process finds what the others have rewritten.
    """
    modules = sorted(map(str, folder.rglob("test_*.py")))
    first = len(modules) * process // processes
    return modules[first:] + modules[:first]
