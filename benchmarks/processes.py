"""What running processes cost, as Linux tells it."""

from __future__ import annotations

import os
import select
import time
from bisect import bisect_left
from contextlib import suppress
from pathlib import Path

from tests.support.processes import children

TICKS = os.sysconf("SC_CLK_TCK")  # a second; the CPU times of Linux are counted in them
INTERVAL = 0.05  # seconds between two samples


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process so far, without its children."""
    return sum(_fields(pid)[11:13]) / TICKS


def tree_cpu_seconds(pid: int) -> float:
    """The CPU time of a process and of all its descendants so far, also of those that have ended."""
    spent = 0.0
    for child in children(pid):
        with suppress(OSError):  # it ends at this moment; its parent's time includes it then
            spent += tree_cpu_seconds(child)
    return spent + sum(_fields(pid)[11:15]) / TICKS


def peak_bytes(pid: int) -> int:
    """The peak memory of a process. The system's own figure is better than getrusage's, which begins with its parent's."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0  # it has ended


class Watch:
    """Samples of a process while it runs: its CPU time, with that of its children, and its peak memory.

    Times are those of the wall clock, as in the database.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._times: list[float] = []
        self._cpu: list[float] = []

    def until_end(self, pid: int) -> None:
        """Take samples until the process has ended; it is still to be waited for."""
        handle = os.pidfd_open(pid)
        try:
            while not select.select([handle], [], [], INTERVAL)[0]:
                with suppress(OSError):  # it ends at this moment
                    self.note(time.time(), tree_cpu_seconds(pid))
                    self.peak_bytes = max(self.peak_bytes, peak_bytes(pid))
        finally:
            os.close(handle)

    def note(self, at: float, cpu: float) -> None:
        """Add a sample: the CPU time spent so far."""
        self._times.append(at)
        self._cpu.append(cpu)

    def cpu_between(self, began: float, ended: float) -> float:
        """The CPU time spent between two moments."""
        return self._cpu_at(ended) - self._cpu_at(began)

    def _cpu_at(self, moment: float) -> float:
        """By linear interpolation between the samples."""
        after = bisect_left(self._times, moment)
        if after == 0:
            return 0.0
        if after == len(self._times):
            return self._cpu[-1]
        before, until = self._times[after - 1], self._times[after]
        share = (moment - before) / (until - before)
        return self._cpu[after - 1] + share * (self._cpu[after] - self._cpu[after - 1])


def _fields(pid: int) -> list[int]:
    """The fields of /proc/PID/stat after the name of the program; the first of them, the state, is 0."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return [0, *map(int, fields[1:])]
