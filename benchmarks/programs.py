"""Other programs: find them, run them, and measure their cost."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Watch

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
PYTHON = sys.executable

_PATH = f"{Path(PYTHON).parent}:{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


class Missing(Exception):
    """A program that a benchmark needs is not installed."""


class Failed(Exception):
    """A program failed, or did not do what it was asked to."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished program: its output, its duration and CPU time in seconds, its peak memory in bytes.

    The CPU time includes that of the children that it has waited for.
    """

    output: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int


def find(name: str, package: str) -> str:
    """The path of a program. Raises Missing, which names Debian's package."""
    path = shutil.which(name, path=_PATH)
    if path is None:
        raise Missing(f"{name} is missing: install Debian's package {package}.")
    return path


def profiled(path: Path | None) -> list[str]:
    """The arguments before a Python program that write its profile to `path`."""
    return [PYTHON, "-m", "cProfile", "-o", str(path)] if path else [PYTHON]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment, with the repository importable from any working directory."""
    return os.environ | {"PYTHONPATH": str(ROOT)} | dict(extra or {})


def mailer() -> str:
    """The path of the installed command that is measured."""
    return find("mailer", "none: it is this project's own")


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path = ROOT,
    extra: Mapping[str, str] | None = None,
    watch: Watch | None = None,
) -> Finished:
    """Run a program to its end; `watch` takes samples of it. Raises Failed with the end of its error output."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaint:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment(extra),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=complaint,
        )
        try:
            if watch is not None:
                watch.until_end(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds, cpu = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
        if watch is not None:
            watch.note(time.time(), cpu)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        complaint.seek(0)
        if process.returncode:
            said = complaint.read()[-500:].decode(errors="replace").strip()
            raise Failed(f"{Path(command[0]).name} ended with {process.returncode}: {said}")
        peak = (watch is not None and watch.peak_bytes) or usage.ru_maxrss * 1024
        return Finished(output.read().decode(), seconds, cpu, peak)


@contextmanager
def serving(
    command: Sequence[str | Path],
    port: int,
    *,
    cwd: Path = ROOT,
    extra: Mapping[str, str] | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server; yields once it listens on `port`. Raises Failed if it does not."""
    process = subprocess.Popen(command, cwd=cwd, env=environment(extra))
    try:
        deadline = time.monotonic() + 30
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{Path(command[0]).name} did not start.")
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(stop)
        process.wait()


def free_port() -> int:
    """A free port on loopback."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex((HOST, port)) == 0
