"""End a command's process at once, without taking apart all that was imported."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any


def end_at_once(code: object) -> None:
    """End the process with this exit code, which saves a twentieth of the time of a short command.

    Returns where the end is to be Python's own: there are other threads, a profiler has something to write, `code` is no
    number, or the command succeeded and its output can't be written after all.
    """
    is_alone = threading.active_count() == 1 and not _is_observed()
    if isinstance(code, int) and is_alone and (_is_flushed() or code):
        os._exit(code)


def _is_observed() -> bool:
    """Whether a profiler, a debugger or coverage looks on, which has something to write at the end."""
    if sys.getprofile() is not None or sys.gettrace() is not None:
        return True
    monitoring: Any = getattr(sys, "monitoring", None)  # since Python 3.12, with six tools
    return monitoring is not None and any(monitoring.get_tool(number) for number in range(6))


def _is_flushed() -> bool:
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # it was closed before the command began
                stream.flush()
    except (OSError, ValueError):
        return False
    return True
