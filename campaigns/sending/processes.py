"""Use more cores of one machine: start more processes of the same command for the same campaign."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from mailer.errors import starting_process


@contextmanager
def joined_by(
    others: int,
    slug: str,
    config: Path | None,
    calling: Callable[[Callable[[], None]], AbstractContextManager[None]],
) -> Iterator[None]:
    """Start `others` more processes that send `slug`; at the end wait for them.

    Each is a worker of its own, as on another host: they share only the database, and what one of them leaves
    behind, the next run recovers. They have a process group of their own, so that a terminal's Ctrl-C reaches
    them only through us: until all have ended, `calling` calls what sends SIGTERM to each. Where one can't be started, the
    others are ended.
    """
    options = ["--config", str(config)] if config else []
    command = [sys.executable, "-P", "-c", "from cli import main; main()", *options]
    command += ["campaigns", "send", slug, "--yes", "--json"]
    processes: list[subprocess.Popen[bytes]] = []

    def terminate() -> None:
        for process in processes:
            process.terminate()

    @contextmanager
    def awaited() -> Iterator[None]:
        try:
            yield
        except BaseException:
            terminate()
            raise
        finally:
            for process in processes:
                process.wait()

    with awaited():
        processes.extend(_started(command) for _ in range(others))  # one by one: it may fail
        with calling(terminate), awaited():
            yield


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    with starting_process():
        return subprocess.Popen(  # noqa: S603 - our own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
            env=os.environ | {"MAILER_UNSUBSCRIBE_CHECK": "off"},  # we have checked it
        )
