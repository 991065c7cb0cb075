"""The upper bounds that the costs give, by the formulas of docs/scaling.md."""

from __future__ import annotations

from benchmarks.scaling.costs import MICRO, Costs

CONNECTIONS = 20
LONGEST_WAIT = 2000  # µs that a commit waits for other connections
FAR = 20_000  # µs, a round trip to a distant relay
SLOW_SYNC = 1000  # µs, a slow disk
BOUND_HEADS = ("bound", "messages/s")


def bound_rows(costs: Costs) -> list[tuple[str, str]]:
    """Each bound in words, and the rate that it allows."""
    cpu = costs.loop + costs.commit
    group = CONNECTIONS / 2
    far = FAR + costs.loop + costs.sign + LONGEST_WAIT + group * costs.commit + costs.sync
    postgresql = group * (costs.commit + costs.server) + costs.sync + costs.distance
    bounds = {
        "the event loop on SQLite, 20 connections": 1 / (cpu + costs.sync / group),
        "the same, a disk that takes 1 ms": 1 / (cpu + SLOW_SYNC / group),
        "the same, a disk that takes 1 ms, 60 connections": 1 / (cpu + SLOW_SYNC / 30),
        "the event loop on PostgreSQL": 1 / cpu,
        "the process that signs, RSA-2048, two cores": 1 / costs.sign,
        "all work, signed, two cores": 2 / (cpu + costs.sign),
        "20 connections, signed, a relay 20 ms away": CONNECTIONS / far,
        "commits of all processes on SQLite, 20 connections": group / (group * costs.commit + costs.sync),
        "commits of one process on PostgreSQL, 20 connections": group / postgresql,
    }
    return [(name, f"{per_microsecond / MICRO:,.0f}") for name, per_microsecond in bounds.items()]
