"""Heartbeats: when each kind of process last worked, on which host."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Column, Connection, Integer, String, Table, func, select, update

from mailer.database.column_types import TABLES, UTCDateTime
from mailer.database.dialect import insert_if_absent

LONGEST_HOST = 64


class ProcessKind(StrEnum):
    """The kind of process."""

    RUN_DUE = "run-due"
    WORKER = "worker"
    SERVE = "serve"
    SEND = "send"


class Heartbeat(NamedTuple):
    """A heartbeat as it was read."""

    kind: ProcessKind
    host: str
    at: datetime


_TABLE = Table(
    "heartbeat",
    TABLES,
    Column("kind", String(16), primary_key=True),
    Column("host", String(LONGEST_HOST), primary_key=True),
    Column("beats", Integer),
    Column("at", UTCDateTime),
)


def beat(connection: Connection, kind: ProcessKind, now: datetime) -> None:
    """Record a heartbeat of `kind` on this host."""
    key = {"kind": kind.value, "host": socket.gethostname()[:LONGEST_HOST]}
    of_key = (_TABLE.c.kind == key["kind"], _TABLE.c.host == key["host"])
    counted = update(_TABLE).where(*of_key).values(beats=_TABLE.c.beats + 1, at=now)
    if not connection.execute(counted).rowcount:
        insert_if_absent(connection, _TABLE, key | {"beats": 1, "at": now})


def heartbeats(connection: Connection) -> Sequence[Heartbeat]:
    """All heartbeats, newest first."""
    rows = connection.execute(select(_TABLE.c.kind, _TABLE.c.host, _TABLE.c.at).order_by(_TABLE.c.at.desc()))
    return [Heartbeat(ProcessKind(row.kind), row.host, row.at) for row in rows]


def count_beats(connection: Connection, kind: ProcessKind) -> int:
    """The number of heartbeats of `kind`, on all hosts. It never decreases, unless an older database replaces
    this one.
    """
    total = select(func.coalesce(func.sum(_TABLE.c.beats), 0)).where(_TABLE.c.kind == kind.value)
    return int(connection.execute(total).scalar_one())
