"""What all real relays have in common: a folder, three ports, rules, and a log that is the count."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from tests.support.certificates import loopback_certificates
from tests.support.loopback import free_port
from tests.support.processes import descendants

LOGIN = ("mailer", "correct horse")
TIMEOUT_SECONDS = 120.0  # seconds for a server to start, to stop, or to write its log


@dataclass(frozen=True, slots=True)
class Rules:
    """What a relay refuses.

    `refused_at_rcpt` and `refused_after_content` are recipients that get 550 5.7.1 there. The other two are how many
    messages a connection and how many connections a host may have; None leaves what the server ships with.
    """

    refused_at_rcpt: Sequence[str] = ()
    refused_after_content: Sequence[str] = ()
    messages_per_connection: int | None = None
    connections_per_host: int | None = None


class RealRelay(ABC):
    """A server that runs from `__enter__` to `__exit__`, in a folder of its own.

    It listens on three ports of 127.0.0.1: `plain` (no TLS, no login), `starttls` (STARTTLS, login LOGIN) and `tls`
    (TLS from the first byte, login LOGIN); `securities` says which of them this server has.
    """

    name: ClassVar[str]
    securities: ClassVar[tuple[str, ...]] = ("none", "starttls", "tls")

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.plain, self.starttls, self.tls = free_port(), free_port(), free_port()
        # Not below pytest's own folder: the servers' users can't look in there.
        self.folder = Path(tempfile.mkdtemp(prefix=f"mailer-{self.name}-"))
        self.folder.chmod(0o711)

    def __enter__(self) -> Self:
        try:
            self._copy_certificate()
            self.configure()
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def ports(self) -> dict[str, int]:
        """By the value that `[smtp] security` has for them."""
        every = {"none": self.plain, "starttls": self.starttls, "tls": self.tls}
        return {security: every[security] for security in self.securities}

    @abstractmethod
    def configure(self) -> None:
        """Write the configuration."""

    @abstractmethod
    def start(self) -> None:
        """Start it; returns when it answers on all ports."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it in order, if it runs; returns when it is gone."""

    @abstractmethod
    def reload(self) -> None:
        """Have it read its configuration again."""

    @abstractmethod
    def taken(self) -> Counter[str]:
        """How many mails to each recipient it has taken responsibility for, by its own log."""

    @abstractmethod
    def main_process(self) -> int:
        """The process id of its parent process."""

    def wait_until_taken(self, count: int) -> Counter[str]:
        """Wait until the counts are `count`, or until the time limit; returns them."""
        wait_for(lambda: self.taken().total() >= count)
        return self.taken()

    def signal_workers(self, number: signal.Signals) -> None:
        """Send a signal to every process of it that serves connections."""
        for process in self.workers():
            send_signal(process, number)

    def workers(self) -> list[int]:
        """The process ids below its parent process."""
        return descendants(self.main_process())

    def read_log(self) -> str:
        """What it has logged by now."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    @property
    def log(self) -> Path:
        """The file that the server logs to."""
        return self.folder / "log"

    @property
    def ca_file(self) -> Path:
        """What a client is to trust."""
        return loopback_certificates().ca_file

    def _copy_certificate(self) -> None:
        """A server insists on owning its key."""
        files = loopback_certificates()
        self.certificate, self.key = self.folder / "cert.pem", self.folder / "key.pem"
        shutil.copyfile(files.certificate_file, self.certificate)
        shutil.copyfile(files.key_file, self.key)
        self.certificate.chmod(0o644)
        self.key.chmod(0o600)

    def wait_for_ports(self) -> None:
        """Raises RuntimeError, with the end of the log, where the server does not come to listen."""
        if not wait_for(lambda: all(listens(port) for port in self.ports.values())):
            raise RuntimeError(f"{self.name} does not listen. Its log ends with:\n{self.read_log()[-2000:]}")


def wait_for(condition: Callable[[], bool], seconds: float = TIMEOUT_SECONDS) -> bool:
    """Whether `condition` came true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def listens(port: int) -> bool:
    """Whether somebody listens on a port of 127.0.0.1. Opens no connection, which a server would count."""
    wanted = f"0100007F:{port:04X}"
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(fields[1] == wanted and fields[3] == "0A" for fields in map(str.split, lines))


def is_running(process: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def name_of(process: int) -> str:
    """The name of a process's program; empty where it has ended."""
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def send_signal(process: int, number: signal.Signals) -> None:
    """Send a signal; a process that has ended is left alone."""
    with suppress(ProcessLookupError):
        os.kill(process, number)


def run(*command: str | Path) -> None:
    """Run a program to its end. Raises RuntimeError with what it said where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
