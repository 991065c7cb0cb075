"""The installations of docs/scaling.md."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Plan:
    """An installation.

    `connections` are those of each process. `round_trip` to the relay is in ms, and `trips` how many of them a mail
    takes. `relay_limit` is in messages a second. `sink` is what a relay on the same machine costs it, in µs of CPU.
    """

    name: str
    hosts: int = 1
    processes: int = 1
    cores: int = 2
    connections: int = 20
    signed: bool = False
    postgresql: bool = False
    server_cores: int = 8
    round_trip: float = 0.0
    trips: int = 1
    relay_limit: float | None = None
    sink: float = 0.0


NEAR = Plan("SQLite, a relay on the same machine, unsigned", round_trip=0.2)
FAR = Plan("SQLite, signed, a relay 20 ms away, 20 connections", signed=True, round_trip=20)
WIDE = replace(FAR, connections=100)
HOST = replace(WIDE, cores=8, processes=8, postgresql=True, server_cores=16)

PLANS = (
    NEAR,
    replace(NEAR, name="the same, signed", signed=True),
    replace(NEAR, name="the same, two processes", signed=True, processes=2),
    FAR,
    replace(FAR, name="the same with PIPELINING alone and `announce = false`", trips=2),
    replace(WIDE, name="the same with 100 connections"),
    replace(WIDE, name="the same, a relay that takes 200 a second", relay_limit=200),
    replace(HOST, name="PostgreSQL, one host of 8 cores, 8 processes"),
    replace(HOST, name="PostgreSQL, 4 such hosts", hosts=4),
    replace(HOST, name="PostgreSQL, 16 such hosts", hosts=16),
)
