"""The table of docs/relays.md: which server, how, what came of it, and how fast beside Postfix's own load generator."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.relays.campaign import Sent
from tests.support.relays.server import RealRelay

LENGTH = 19_500  # bytes of a mail that smtp-source sends, about as many as of one of ours
BEGIN, END = "<!-- The table is written by `make soak ARGS=relays`. -->", "<!-- End of the table. -->"
HEADER = """\
| server | security | delivered | twice | deferred | rejected | uncertain | exit | mails a second | of `smtp-source -N` |
|---|---|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One run of the whole command; `peer_seconds` is None where the peer can't do that."""

    server: str
    security: str
    people: int
    sent: Sent
    peer_seconds: float | None

    def __str__(self) -> str:
        states = self.sent.states
        share = "" if self.peer_seconds is None else f"{self.peer_seconds / self.sent.seconds:.2f}"
        cells: list[object] = [
            self.server,
            self.security,
            f"{len(self.sent.taken):,} of {self.people:,}",
            len(self.sent.twice),
            *(states[state] for state in ("deferred", "rejected", "uncertain")),
            self.sent.exit_code,
            f"{self.people / self.sent.seconds:,.0f}",
            share,
        ]
        return f"| {' | '.join(map(str, cells))} |\n"


def smtp_source(relay: RealRelay, messages: int, connections: int) -> float | None:
    """How many seconds Postfix's load generator takes in clear; None where the server hangs up on it."""
    program = shutil.which("smtp-source", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        return None
    command = [program, "-N", "-d", "-s", str(connections), "-m", str(messages), "-l", str(LENGTH)]
    command += ["-f", "news@example.com", "-t", "peer@example.org", f"127.0.0.1:{relay.plain}"]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=False)
    return time.perf_counter() - began if done.returncode == 0 else None


def write(page: Path, rows: Sequence[Row]) -> None:
    """Put the rows between the two marks of `page`."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    body = HEADER + "".join(map(str, rows))
    page.write_text(f"{before}{BEGIN}\n\n{body}\n{END}{after}", encoding="utf-8")
