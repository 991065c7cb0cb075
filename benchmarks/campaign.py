"""A whole campaign, sent by one process or by several that do nothing else.

`python -m benchmarks.campaign [--join] [--profile FILE]`, in a folder that `benchmarks.audience` made, is such a
process. It enrols the audience unless it joins another one, says so, waits for a line, sends, and prints one
JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import uvloop
from sqlalchemy import Connection

from benchmarks.audience import SLUG, Audience
from benchmarks.programs import PYTHON, Failed, environment
from campaigns.models import DeliveryState
from campaigns.sending import Dispatch, Sender
from mailer.config import load_settings
from mailer.database import Database


@dataclass(frozen=True, slots=True)
class Sent:
    """The figures of a sent campaign, for all its processes together."""

    messages: int
    enrol_seconds: float
    send_seconds: float
    cpu_seconds: float
    commits: int
    commit_cpu_seconds: float
    commit_seconds: float
    peak_bytes: int

    @property
    def rate(self) -> float:
        """Messages per second, from the first claim to the last outcome."""
        return self.messages / self.send_seconds

    @property
    def whole_rate(self) -> float:
        """Messages per second, including the creation of the deliveries."""
        return self.messages / (self.enrol_seconds + self.send_seconds)

    @property
    def cpu_us(self) -> float:
        """CPU time per message while sending, in µs."""
        return self.cpu_seconds / self.messages * 1e6

    @property
    def commit_us(self) -> float:
        """The part of that CPU time in transactions, in µs."""
        return self.commit_cpu_seconds / self.messages * 1e6

    @property
    def wait_us(self) -> float:
        """How long a transaction waits for the disk or the server, in µs."""
        return (self.commit_seconds - self.commit_cpu_seconds) / self.commits * 1e6

    @property
    def group(self) -> float:
        """Messages per transaction."""
        return self.messages / self.commits


class MeasuredDatabase(Database):
    """A database that adds up the CPU time and the duration of its writing transactions."""

    commits: int = 0
    cpu_seconds: float = 0.0
    seconds: float = 0.0

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


def send(
    audience: Audience,
    port: int,
    *,
    processes: int = 1,
    connections: int = 20,
    profile: Path | None = None,
    extra: dict[str, str] | None = None,
) -> Sent:
    """Send the campaign to `audience`. Raises Failed if not everybody got it."""
    given = {"MAILER_SMTP__PORT": str(port), "MAILER_SMTP__CONNECTIONS": str(connections)}
    variables = environment(audience.environment | given | (extra or {}))
    command = [PYTHON, "-m", "benchmarks.campaign"]
    profiling = ["--profile", str(profile)] if profile else []
    with contextlib.ExitStack() as stack:
        senders = []
        for number in range(processes):
            options = ["--join"] if number else profiling
            process = stack.enter_context(_started([*command, *options], audience.folder, variables))
            senders.append(process)
        for process in senders:
            _say_go(process)
        results = [_result(process) for process in senders]
    messages = sum(result["accepted"] for result in results)
    if messages != audience.people:
        raise Failed(f"{messages} of {audience.people} mails were accepted: {results}")
    return Sent(
        messages=messages,
        enrol_seconds=results[0]["enrol_seconds"],
        send_seconds=max(result["ended"] for result in results) - min(result["began"] for result in results),
        cpu_seconds=sum(result["cpu_seconds"] for result in results),
        commits=sum(result["commits"] for result in results),
        commit_cpu_seconds=sum(result["commit_cpu_seconds"] for result in results),
        commit_seconds=sum(result["commit_seconds"] for result in results),
        peak_bytes=max(result["peak_bytes"] for result in results),
    )


@contextlib.contextmanager
def _started(
    command: Sequence[str], folder: Path, variables: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Start a sender, and wait until it is ready."""
    process = subprocess.Popen(
        command, cwd=folder, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            _wait_for(process)
            yield process
        except BaseException:
            process.kill()
            raise


def _wait_for(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise Failed("A sender did not start.")


def _say_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise Failed("A sender broke down.")
    result: dict[str, Any] = json.loads(line)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--join", action="store_true")
    parser.add_argument("--profile", type=Path)
    options = parser.parse_args()
    loaded = load_settings()
    database = Database(loaded.database_url.get_secret_value(), loaded.folder)
    began = time.perf_counter()
    if not options.join:
        Dispatch(database, loaded, database.clock()).start(SLUG)
    enrolled = time.perf_counter() - began
    watched = MeasuredDatabase(loaded.database_url.get_secret_value(), loaded.folder)
    dispatch = Dispatch(watched, loaded, watched.clock())
    print("ready", flush=True)
    sys.stdin.readline()
    with profiled(options.profile) if options.profile else contextlib.nullcontext():
        began, cpu = time.monotonic(), time.process_time()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            tally = runner.run(dispatch.run(SLUG, _unwatched))
        ended, cpu = time.monotonic(), time.process_time() - cpu
    if tally.error:
        raise tally.error
    result = {
        "accepted": tally.states[DeliveryState.ACCEPTED],
        "enrol_seconds": enrolled,
        "began": began,
        "ended": ended,
        "cpu_seconds": cpu,
        "commits": watched.commits,
        "commit_cpu_seconds": watched.cpu_seconds,
        "commit_seconds": watched.seconds,
        "peak_bytes": peak_bytes(),
    }
    print(json.dumps(result))


def peak_bytes() -> int:
    """The peak memory of this process.

    Linux's own word for it is better than getrusage, which counts what the parent had when it started us.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


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
