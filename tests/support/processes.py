"""The processes that a process has started, as Linux tells it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def children(pid: int) -> list[int]:
    """The ids of the processes that `pid` has started; none where it has ended."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended meanwhile
            found += map(int, task.read_text(encoding="ascii").split())
    return found


def descendants(pid: int) -> list[int]:
    """The ids of all processes that `pid` has started, and those of theirs."""
    started = children(pid)
    return started + [one for child in started for one in descendants(child)]
