"""What a program says about its own run."""

from __future__ import annotations

import json
from dataclasses import dataclass

from benchmarks.programs import Finished


@dataclass(frozen=True, slots=True)
class Timed:
    """Messages a second, by its own clock, and CPU time a message, in µs."""

    rate: float
    cpu_us: float

    @classmethod
    def of(cls, finished: Finished, messages: int) -> Timed:
        """From the JSON object that a program prints."""
        told = json.loads(finished.output)
        return cls(messages / told["seconds"], told["cpu_seconds"] / messages * 1e6)
