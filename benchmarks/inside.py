"""The inside of a sender: what its transactions cost, and where its time goes.

`python -m benchmarks.inside [--profile FILE]`, in a folder that `benchmarks.audience` made, sends the campaign and prints
one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import uvloop
from sqlalchemy import Connection

from benchmarks import campaign
from benchmarks.audience import SLUG, Audience
from benchmarks.programs import PYTHON, Failed, run
from campaigns.sending import Dispatch, Sender
from campaigns.states import DeliveryState
from mailer.config import load_settings
from mailer.database import Database


@dataclass(frozen=True, slots=True)
class Inside:
    """CPU times in µs a message, and how long a transaction waits for the disk or the server, in µs."""

    messages: int
    seconds: float
    cpu_us: float
    commits: int
    commit_us: float
    wait_us: float

    @property
    def group(self) -> float:
        """Messages a transaction."""
        return self.messages / self.commits


def look(
    audience: Audience, port: int, *, profile: Path | None = None, extra: dict[str, str] | None = None
) -> Inside:
    """Send the campaign to `audience`; `profile` gets a profile of each thread. Raises Failed."""
    command = [PYTHON, "-m", "benchmarks.inside", *(["--profile", str(profile)] if profile else [])]
    done = run(command, cwd=audience.folder, extra=campaign.variables(audience, port, 20) | (extra or {}))
    found = Inside(**json.loads(done.output))
    if found.messages != audience.people:
        raise Failed(f"{found.messages} of {audience.people} mails were accepted.")
    return found


class MeasuredDatabase(Database):
    """A database that adds up the CPU time and the duration of its writing transactions.

    On PostgreSQL it does not see the batches that `mailer.database.pipeline` commits.
    """

    commits: int = 0
    cpu_seconds: float = 0.0
    seconds: float = 0.0

    def forget(self) -> None:
        """Begin anew."""
        self.commits, self.cpu_seconds, self.seconds = 0, 0.0, 0.0

    @contextlib.contextmanager
    def write(self, *, checked: bool = True) -> Iterator[Connection]:
        """Measure `Database`'s own method."""
        with self._watch(), super().write(checked=checked) as connection:
            yield connection

    @contextlib.contextmanager
    def write_at_once(self) -> Iterator[Connection]:
        """Measure `Database`'s own method."""
        with self._watch(), super().write_at_once() as connection:
            yield connection

    @contextlib.contextmanager
    def _watch(self) -> Iterator[None]:
        began, cpu = time.monotonic(), time.thread_time()
        yield
        self.commits += 1
        self.cpu_seconds += time.thread_time() - cpu
        self.seconds += time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", type=Path)
    options = parser.parse_args()
    settings = load_settings()
    database = MeasuredDatabase(settings.database_url.reveal(), settings.folder)
    dispatch = Dispatch(database, settings, database.clock())
    dispatch.start(SLUG)
    database.forget()
    with profiled(options.profile) if options.profile else contextlib.nullcontext():
        began, cpu = time.monotonic(), time.process_time()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            tally = runner.run(dispatch.runs.run(SLUG, _unwatched))
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    if tally.error:
        raise tally.error
    if not database.commits:
        raise Failed("The sender commits in a way that MeasuredDatabase does not see.")
    messages = tally.states[DeliveryState.ACCEPTED]
    inside = Inside(
        messages=messages,
        seconds=seconds,
        cpu_us=cpu / messages * 1e6,
        commits=database.commits,
        commit_us=database.cpu_seconds / messages * 1e6,
        wait_us=(database.seconds - database.cpu_seconds) / database.commits * 1e6,
    )
    print(json.dumps(asdict(inside)))


@contextlib.asynccontextmanager
async def _unwatched(_sender: Sender) -> AsyncIterator[None]:
    yield


@contextlib.contextmanager
def profiled(path: Path) -> Iterator[None]:
    """Profile this thread, and each one that is started meanwhile; `path` and `path`.1 and on are the
    statistics.
    """
    profiles = [cProfile.Profile()]

    def begin(_frame: FrameType, _event: str, _argument: object) -> None:
        profiles.append(cProfile.Profile())
        profiles[-1].enable()

    threading.setprofile(begin)
    profiles[0].enable()
    try:
        yield
    finally:
        profiles[0].disable()
        threading.setprofile(None)
        for number, profile in enumerate(profiles):
            profile.dump_stats(f"{path}.{number}")


if __name__ == "__main__":
    main()
