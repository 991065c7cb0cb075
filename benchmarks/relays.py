"""Relays: Postfix's smtp-sink, a sink with CHUNKING, and a proxy that delays either of them; and smtp-source."""

from __future__ import annotations

import json
import os
import resource
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.programs import HOST, PYTHON, Finished, find, free_port, run, serving


@contextmanager
def smtp_sink() -> Iterator[int]:
    """Postfix's sink, with PIPELINING and without CHUNKING: the next envelope travels with the content."""
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with serving([find("smtp-sink", "postfix"), *user, f"{HOST}:{port}", "512"], port):
        yield port


@contextmanager
def chunking_sink() -> Iterator[int]:
    """The sink with CHUNKING: a whole mail at once."""
    port = free_port()
    with serving([PYTHON, "-m", "benchmarks.chunking_sink", str(port)], port):
        yield port


def sink_cost(payload: int, messages: int = 10_000) -> float:
    """The cost of smtp-sink itself, in µs of CPU per message."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with smtp_sink() as port:
        source = smtp_source(port, messages, 20, payload=payload)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (spent - source.cpu_seconds) / messages * 1e6


def smtp_source(
    port: int, messages: int, connections: int, *, payload: int, distinct: bool = False
) -> Finished:
    """Postfix's load generator, which sends the same bytes again and again, and records nothing.

    `payload` is the length of its mails without headers, as `mail_size.fitting` finds it. `distinct`: each mail
    has a recipient of its own.
    """
    command = [find("smtp-source", "postfix"), "-d", *(["-N"] if distinct else [])]
    command += ["-s", str(connections), "-m", str(messages), "-l", str(payload)]
    return run([*command, "-f", "news@example.com", "-t", "person@example.org", f"{HOST}:{port}"])


@dataclass(frozen=True, slots=True)
class FarAway:
    """A relay behind `benchmarks.delay_proxy`."""

    port: int
    control: int

    def round_trips(self) -> int:
        """How often a sender has waited for the relay since the last call."""
        with urllib.request.urlopen(f"http://{HOST}:{self.control}", timeout=10) as answer:
            return int(json.load(answer))


@contextmanager
def far_away(port: int, round_trip: float) -> Iterator[FarAway]:
    """The relay at `port`, with a round trip of `round_trip` seconds."""
    here, control = free_port(), free_port()
    command = [PYTHON, "-m", "benchmarks.delay_proxy", str(here), str(port), str(round_trip), str(control)]
    with serving(command, control):
        yield FarAway(here, control)
