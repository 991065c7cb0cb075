"""What a mail costs: measured by one run of the suite, which writes costs.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = Path(__file__).resolve().parents[1] / "costs.json"
MICRO = 1e-6  # seconds


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs, in µs.

    `loop` and `commit` are a mail's share of CPU, of which a process spends one at a time; `sign` is that of the process
    that signs, which uses all cores but one. `sync` is how long a durable commit waits for the disk, whatever the size of the
    group. `server` is PostgreSQL's CPU a mail, and `distance` a round trip to it, which is not measured.
    """

    loop: float
    commit: float
    sign: float
    sync: float
    server: float
    distance: float = 200

    @classmethod
    def read(cls, path: Path = FILE) -> Costs:
        """The costs that a run has written."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, path: Path) -> None:
        """Write them, rounded as docs/scaling.md has them."""
        rounded = {name: _rounded(value) for name, value in asdict(self).items()}
        path.write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")


def _rounded(microseconds: float) -> float:
    """To multiples of 5 µs, and small costs to 1 µs: more digits would not be the same in another run."""
    step = 5 if microseconds >= 50 else 1
    return round(microseconds / step) * step
