"""More cores on one machine: further processes of the same command on the same campaign."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


@contextmanager
def joined_by(others: int, slug: str, config: Path | None) -> Iterator[None]:
    """Let `others` more processes send `slug` as well; on leaving, wait until they have.

    Each is a worker of its own, as on another host: they share nothing but the database, and what one of them
    leaves behind, the next run takes over. They stop as the terminal's signals tell them, or when we are ended;
    a SIGTERM is passed on to them.
    """
    options = ["--config", str(config)] if config else []
    command = [sys.executable, "-P", "-c", "from cli import main; main()", *options]
    command += ["campaigns", "send", slug, "--yes", "--json"]
    processes = [
        subprocess.Popen(  # noqa: S603 - our own command
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(others)
    ]
    with _told_too(processes):
        try:
            yield
        except BaseException:
            for process in processes:
                process.terminate()
            raise
        finally:
            for process in processes:
                process.wait()


@contextmanager
def _told_too(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Pass SIGTERM on; a terminal's SIGINT reaches them without us."""
    if not processes:
        yield
        return
    before = signal.getsignal(signal.SIGTERM)

    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in processes:
            process.terminate()
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGTERM, pass_on)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
