"""The CPU time of watched processes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.processes import Watch, peak_bytes
from benchmarks.programs import run

BUSY = "import time\nwhile time.process_time() < {seconds}: pass"
# A process with a child that works while it waits.
PARENT = (
    f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {BUSY.format(seconds=0.05)!r}])"
)


def test_cpu_time_between_two_moments_is_interpolated_between_samples() -> None:
    watch = Watch()
    for at, cpu in ((100.0, 0.0), (101.0, 1.0), (103.0, 1.5)):
        watch.note(at, cpu)
    assert watch.cpu_between(100.5, 102.0) == pytest.approx(0.75)


def test_before_the_first_sample_nothing_was_spent_and_after_the_last_nothing_more() -> None:
    watch = Watch()
    watch.note(100.0, 0.2)
    watch.note(101.0, 1.0)
    assert watch.cpu_between(0.0, 200.0) == 1.0


def test_the_cpu_time_of_children_counts() -> None:
    watch = Watch()
    finished = run([sys.executable, "-S", "-c", PARENT], watch=watch)
    assert finished.cpu_seconds >= 0.05
    assert watch.cpu_between(0.0, float("inf")) == finished.cpu_seconds


def test_the_peak_is_that_of_the_process_and_not_of_its_parent() -> None:
    held = bytearray(b"x") * 100_000_000
    waiting = [sys.executable, "-S", "-c", "print(flush=True); input()"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the program has started
        assert 0 < peak_bytes(process.pid) < len(held)
        process.communicate(b"\n")
