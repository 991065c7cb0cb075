"""The library that makes a disk slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.programs import PYTHON, Missing, run
from benchmarks.slow_disk import SlowDisk, slow_disk


@pytest.fixture
def disk(tmp_path: Path) -> SlowDisk:
    try:
        return slow_disk(tmp_path, milliseconds=5)
    except Missing as missing:
        pytest.skip(str(missing))


def test_each_fsync_and_fdatasync_is_delayed_and_counted(disk: SlowDisk) -> None:
    assert disk.check() >= 5  # it raises Failed where one of the six calls is not counted
    assert disk.calls() == 0


def test_a_database_of_sqlite_has_the_slow_disk(disk: SlowDisk, tmp_path: Path) -> None:
    statements = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('CREATE TABLE t (a)'); c.commit()"
    )
    run([PYTHON, "-S", "-c", statements, tmp_path / "a.db"], extra=disk.environment)
    assert disk.calls() > 0


def test_a_program_without_the_library_is_not_delayed(disk: SlowDisk, tmp_path: Path) -> None:
    run([PYTHON, "-S", "-c", "import os, sys; os.fsync(os.open(sys.argv[1], os.O_CREAT))", tmp_path / "a"])
    assert disk.calls() == 0
