"""What the parts of the suite share: sizes, a folder on a real disk, audiences, a PostgreSQL server."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sqlalchemy import make_url

from benchmarks import audience, postgresql
from benchmarks.audience import Audience
from mailer.message import dkim

CONNECTIONS = 20


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a run: full, or quick."""

    rounds: int
    recipients: int
    signed: int
    peers: int
    far_away: int
    small: int
    large: int
    posts: int
    withdrawals: int
    profiled: int


FULL = Sizes(
    rounds=3,
    recipients=100_000,
    signed=30_000,
    peers=600,
    far_away=400,
    small=10_000,
    large=1_000_000,
    posts=20_000,
    withdrawals=120,
    profiled=20_000,
)
QUICK = Sizes(
    rounds=1,
    recipients=10_000,
    signed=3_000,
    peers=200,
    far_away=100,
    small=1_000,
    large=20_000,
    posts=4_000,
    withdrawals=20,
    profiled=3_000,
)


@dataclass
class Bench:
    """One run of the suite.

    `points` are for the chart: rates by engine, at each size of the audience. `measured` are for the model:
    costs and rates.
    """

    folder: Path
    sizes: Sizes
    points: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    measured: dict[str, float] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)
    _audiences: dict[tuple[int, str], Audience] = field(default_factory=dict)

    def audience(self, people: int, engine: str = "sqlite") -> Audience:
        """An audience of that size; created at first use."""
        if (people, engine) not in self._audiences:
            name = f"{engine}-{people}"
            url = self._new_database(f"people_{people}") if engine == "postgresql" else None
            self._audiences[people, engine] = audience.make(self.folder / name, people, url)
        return self._audiences[people, engine]

    @cached_property
    def key_file(self) -> Path:
        """An RSA-2048 key for signatures."""
        path = self.folder / "dkim.pem"
        key = dkim.generate(dkim.Algorithm.RSA_SHA256, domain="example.com", selector="r")
        path.write_bytes(key.pem())
        return path

    @property
    def signing(self) -> dict[str, str]:
        """The settings that sign with that key."""
        return {
            "MAILER_DKIM__DOMAIN": "example.com",
            "MAILER_DKIM__SELECTOR": "r",
            "MAILER_DKIM__KEY_FILE": str(self.key_file),
        }

    @cached_property
    def _server(self) -> str:
        return self._stack.enter_context(postgresql.server(self.folder / "postgresql"))

    def _new_database(self, name: str) -> str:
        audience.maintain(self._server, f"CREATE DATABASE {name}")
        return make_url(self._server).set(database=name).render_as_string(hide_password=False)

    def close(self) -> None:
        """Stop all servers."""
        self._stack.close()


@contextmanager
def bench(sizes: Sizes, folder: Path) -> Iterator[Bench]:
    """A run with its own folder below `folder`, which is deleted afterwards."""
    own = Path(tempfile.mkdtemp(prefix="mailer-bench-", dir=folder))
    own.chmod(0o755)  # PostgreSQL does not run as root, and its own user must read it
    running = Bench(own, sizes)
    try:
        yield running
    finally:
        running.close()
        shutil.rmtree(own, ignore_errors=True)
