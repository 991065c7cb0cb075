"""Counts for a monitoring system, in Prometheus' text format. Numbers only: no label ever names a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one process. `help_texts` lists them all: name -> what is counted."""

    def __init__(self, help_texts: Mapping[str, str]) -> None:
        self._help = dict(help_texts)
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in help_texts}

    def count(self, name: str, **labels: str) -> None:
        """One more of `name`. Label values come from a short closed list, never from a request."""
        self._counts[name][",".join(f'{key}="{value}"' for key, value in labels.items())] += 1

    def text(self) -> str:
        """All counters, as a scrape wants them."""
        lines = []
        for name, counts in self._counts.items():
            lines += [f"# HELP {name} {self._help[name]}", f"# TYPE {name} counter"]
            lines += [f"{name}{{{labels}}} {number}" for labels, number in sorted(counts.items())]
        return "\n".join(lines) + "\n"
