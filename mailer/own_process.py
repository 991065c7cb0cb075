"""Start a process that runs a module of ours beside this one."""

from __future__ import annotations

import os
import subprocess
import sys

from mailer.errors import starting_process


def start(
    code: str, *arguments: str, stdin: int, stdout: int, stderr: int | None = None
) -> subprocess.Popen[bytes]:
    """Run `code` in a new process of this Python, with these streams and without MAILER_* variables.

    A terminal's Ctrl-C does not reach the new process; this one ends it. Raises NoProcess where there may be no more, and
    OSError.
    """
    with starting_process():
        return subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, "-P", "-c", code, *arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            process_group=0,
            env={name: value for name, value in os.environ.items() if not name.startswith("MAILER_")},
        )
