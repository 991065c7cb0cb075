"""What the parts of the suite share: sizes, a folder on a real disk, audiences, mails' length, a PostgreSQL server."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sqlalchemy import make_url

from benchmarks import audience, campaign, mail_size, postgresql, relays
from benchmarks.audience import Audience
from benchmarks.processes import tree_cpu_seconds
from benchmarks.scaling import PLANS, Costs
from mailer.message import dkim

CONNECTIONS = 20


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a run: full, or quick. `rounds` is how often each comparison is made."""

    rounds: int
    recipients: tuple[int, ...]
    large: int
    small: int
    signed: int
    usual_way: int
    nodemailer: int
    far_away: int
    real_relay: int
    slow_disk: int
    posts: int
    withdrawals: int
    profiled: int
    plans: int


FULL = Sizes(
    rounds=3,
    recipients=(27_000, 100_000),
    large=1_000_000,
    small=10_000,
    signed=15_000,
    usual_way=600,
    nodemailer=4_000,
    far_away=2_000,
    real_relay=9_000,
    slow_disk=12_000,
    posts=20_000,
    withdrawals=120,
    profiled=20_000,
    plans=len(PLANS),
)
QUICK = Sizes(
    rounds=1,
    recipients=(2_700,),
    large=10_000,
    small=1_000,
    signed=3_000,
    usual_way=100,
    nodemailer=500,
    far_away=200,
    real_relay=900,
    slow_disk=1_200,
    posts=12_000,  # a quarter of them by API: the first 20, which wait for imports, are less than a hundredth
    withdrawals=10,
    profiled=3_000,
    plans=7,  # the others take long to simulate
)


@dataclass
class Bench:
    """One run of the suite.

    `points` are for the chart: rates by engine, at each size of the audience. `measured` are for the model: costs in µs
    and rates. `costs` are what the model has found.
    """

    folder: Path
    sizes: Sizes
    points: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    measured: dict[str, float] = field(default_factory=dict)
    costs: Costs | None = None
    _began: float = field(default_factory=time.monotonic)
    _stack: ExitStack = field(default_factory=ExitStack)
    _audiences: dict[tuple[int, str], Audience] = field(default_factory=dict)

    def say(self, progress: str) -> None:
        """Print progress, with the minutes and seconds since the beginning."""
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        print(f"{minutes:3}:{seconds:02}  {progress}", file=sys.stderr, flush=True)

    def audience(self, people: int, engine: str = "sqlite") -> Audience:
        """An audience of that size; created at first use."""
        if (people, engine) not in self._audiences:
            self.say(f"importing {people:,} people, {engine}")
            name = f"{engine}-{people}"
            url = self._new_database(f"people_{people}") if engine == "postgresql" else None
            self._audiences[people, engine] = audience.make(self.folder / name, people, url)
        return self._audiences[people, engine]

    @cached_property
    def length(self) -> float:
        """The mean length of a campaign's mails, unsigned, in bytes."""
        return self._length_of_mails({})

    @cached_property
    def signed_length(self) -> float:
        """The mean length of a campaign's mails with their signatures, in bytes."""
        return self._length_of_mails(self.signing)

    @cached_property
    def payload(self) -> int:
        """The `-l` with which smtp-source's mails are as long as ours."""
        return mail_size.fitting(
            lambda port, payload: relays.smtp_source(port, mail_size.SAMPLE, 1, payload=payload),
            self.length,
            5_000,
        )

    def _length_of_mails(self, extra: dict[str, str]) -> float:
        with audience.copied(self.audience(mail_size.SAMPLE)) as copy:
            return mail_size.mean_length(lambda port: campaign.send(copy, port, extra=extra))

    @cached_property
    def key_file(self) -> Path:
        """An RSA-2048 key for signatures."""
        path = self.folder / "dkim.pem"
        key = dkim.generate(dkim.Algorithm.RSA_SHA256, domain="example.com", selector="r")
        path.write_bytes(key.pem())
        path.chmod(0o600)
        return path

    @property
    def signing(self) -> dict[str, str]:
        """The settings that sign with that key."""
        return {
            "MAILER_DKIM__DOMAIN": "example.com",
            "MAILER_DKIM__SELECTOR": "r",
            "MAILER_DKIM__KEY_FILE": str(self.key_file),
        }

    def server_cpu_seconds(self, engine: str) -> float:
        """The CPU time of the PostgreSQL server so far; 0 on SQLite, which has none."""
        return tree_cpu_seconds(self._server.pid) if engine == "postgresql" else 0.0

    @cached_property
    def _server(self) -> postgresql.Server:
        return self._stack.enter_context(postgresql.server(self.folder / "postgresql"))

    def _new_database(self, name: str) -> str:
        audience.maintain(self._server.url, f"CREATE DATABASE {name}")
        return make_url(self._server.url).set(database=name).render_as_string(hide_password=False)

    def close(self) -> None:
        """Stop all servers."""
        self._stack.close()


@contextmanager
def bench(sizes: Sizes, folder: Path) -> Iterator[Bench]:
    """A run with its own folder below `folder`, which is deleted afterwards."""
    own = Path(tempfile.mkdtemp(prefix="mailer-bench-", dir=folder))
    own.chmod(0o755)  # servers that do not run as root must read it
    # So that all files, also a relay's, are on the same disk.
    before, tempfile.tempdir = tempfile.tempdir, str(own)
    running = Bench(own, sizes)
    try:
        yield running
    finally:
        running.close()
        tempfile.tempdir = before
        shutil.rmtree(own, ignore_errors=True)
