"""OpenSMTPD, as Debian ships it: neither PIPELINING nor CHUNKING, and 100 mails a connection. Delivery is paused."""

from __future__ import annotations

import re
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import ClassVar

from tests.support.processes import descendants
from tests.support.relays import programs
from tests.support.relays.server import (
    TIMEOUT_SECONDS,
    RealRelay,
    Rules,
    is_running,
    send_signal,
    wait_for,
)

_TAKEN = re.compile(r" smtp envelope evpid=\S+ from=<[^>]*> to=<([^>]*)>")

_CONFIGURATION = """\
{limits}
listen on 127.0.0.1 port {plain}
action "nowhere" relay host smtp://127.0.0.1:9
{refused}
match from any for any action "nowhere"
"""


class OpenSMTPD(RealRelay):
    """The envelopes that it takes are in its log, and stay in its queue.

    Its queue, its socket and the folder that it locks itself into are compiled in; they exist inside its namespace only.
    """

    name: ClassVar[str] = "opensmtpd"
    # Debian 12's can do no TLS: its engine for private keys is not made for OpenSSL 3 (OpenSMTPD/OpenSMTPD#1171, #1239).
    securities: ClassVar[tuple[str, ...]] = ("none",)

    def __init__(self, rules: Rules | None = None) -> None:
        super().__init__(rules)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def _mounts(self) -> dict[Path, str]:
        root = programs.UNPACKED / "root"
        return {
            self.folder / "spool": "/var/spool",
            self.folder / "lib": "/var/lib",
            self.folder / "run": "/run",
            root / "usr/libexec": "/usr/libexec",
        }

    def configure(self) -> None:
        if self.rules.refused_after_content or self.rules.connections_per_host is not None:
            raise ValueError("OpenSMTPD refuses nobody after content and counts no connections.")
        for name in ("spool/smtpd", "lib/opensmtpd/empty", "run"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            (self.folder / name).chmod(0o711)
        most = self.rules.messages_per_connection
        text = _CONFIGURATION.format(
            limits="" if most is None else f"smtp limit max-mails {most}",
            plain=self.plain,
            refused="\n".join(
                f'match from any for rcpt-to "{one}" reject' for one in self.rules.refused_at_rcpt
            ),
        )
        (self.folder / "smtpd.conf").write_text(text, encoding="utf-8")

    def start(self) -> None:
        command: list[str | Path] = [
            programs.PROGRAMS["opensmtpd"],
            "-d",
            "-P",
            "mta",
            "-f",
            self.folder / "smtpd.conf",
        ]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                programs.in_namespace(command, self.folder, self._mounts),
                env=programs.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.wait_for_ports()

    def stop(self) -> None:
        if self._process is not None:
            serving = descendants(self._process.pid)
            send_signal(self._process.pid, signal.SIGTERM)
            self._process.wait(TIMEOUT_SECONDS)
            wait_for(lambda: not any(is_running(process) for process in serving))
            self._process = None

    def reload(self) -> None:
        self.stop()  # it can't read its configuration again
        self.start()

    def taken(self) -> Counter[str]:
        return Counter(_TAKEN.findall(self.read_log()))

    def main_process(self) -> int:
        assert self._process is not None
        return self._process.pid
