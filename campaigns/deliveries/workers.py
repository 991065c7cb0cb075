"""The workers that hold claims: their leases, and which of them are dead.

A worker renews its lease in the transactions that it makes. A worker whose lease has passed, or whose process
on this machine is gone, is retired by the next run: in one transaction its claims become pending and its
attempts uncertain. After that it can write nothing, even if it was only frozen: its id, the fencing number of
all its claims, is no longer valid.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, case, insert, select, update

from campaigns.tables import worker
from mailer.database import Prepared, Step


class Process(NamedTuple):
    """A process on one machine since its last boot. `host` is a hash, which reveals nothing about the
    machine.
    """

    host: str
    number: str

    @classmethod
    def current(cls) -> Process:
        """The process that runs this code."""
        pid = os.getpid()
        return cls(_host(), f"{pid}:{_started(pid)}")

    def is_gone(self) -> bool:
        """Whether the process certainly no longer runs; False where this machine can't tell."""
        if self.host != _host():
            return False
        pid, _, started = self.number.partition(":")
        return bool(started) and _started(int(pid)) != started


def register(
    connection: Connection, process: Process, campaign_id: int, now: datetime, lease: timedelta
) -> int:
    """Register a worker on a campaign; returns its id."""
    statement = insert(worker).values(
        host=process.host,
        process=process.number,
        campaign_id=campaign_id,
        started_at=now,
        lease_until=now + lease,
    )
    worker_id: int = connection.execute(statement.returning(worker.c.id)).scalar_one()
    return worker_id


def renew(connection: Connection, worker_id: int, now: datetime, lease: timedelta) -> bool:
    """Extend the lease; False if the worker is retired and must stop. Nobody can retire it until commit.

    The lease is never shortened: where two transactions of a worker renew it, the later one may commit first.
    """
    return bool(renewal(worker_id, now, lease).rows(connection))


def renewal(worker_id: int, now: datetime, lease: timedelta) -> Step:
    """The statement of `renew`: it returns a row, unless the worker is retired."""
    return Step(_RENEW, {"worker": worker_id, "until": now + lease})


def retire(connection: Connection, worker_id: int, now: datetime) -> None:
    """Retire a worker: its claims are no longer valid."""
    connection.execute(_RETIRE, {"worker": worker_id, "now": now})


def find_dead(
    connection: Connection, now: datetime, is_gone: Callable[[Process], bool] = Process.is_gone
) -> list[int]:
    """The workers to retire, locked against their own renewal until commit."""
    suspects = [
        row.id
        for row in connection.execute(_UNRETIRED)
        if row.lease_until < now or is_gone(Process(row.host, row.process))
    ]
    if not suspects:
        return []
    locked = _UNRETIRED.where(worker.c.id.in_(suspects)).with_for_update(skip_locked=True)
    return [
        row.id
        for row in connection.execute(locked)
        if row.lease_until < now or is_gone(Process(row.host, row.process))
    ]


def unretired(connection: Connection) -> list[int]:
    """All workers that are not retired, dead or not."""
    return list(connection.execute(select(worker.c.id).where(worker.c.retired_at.is_(None))).scalars())


def any_at_work(connection: Connection, now: datetime) -> bool:
    """Whether a worker holds a valid lease, and its process has not died on this machine."""
    return _is_any_at_work(connection, now)


def is_at_work_on(
    connection: Connection, campaign_id: int, now: datetime, *, besides: Process | None = None
) -> bool:
    """Whether there is such a worker on this campaign; while it waits for a limit it holds no delivery.

    `besides`: this process has ended its work, although its worker could perhaps not be retired.
    """
    return _is_any_at_work(connection, now, worker.c.campaign_id == campaign_id, besides=besides)


def _is_any_at_work(
    connection: Connection, now: datetime, *conditions: ColumnElement[bool], besides: Process | None = None
) -> bool:
    found = connection.execute(_UNRETIRED.where(worker.c.lease_until >= now, *conditions))
    processes = {Process(row.host, row.process) for row in found} - {besides}
    return any(not process.is_gone() for process in processes)


# Built once, because a worker renews its lease in each of its transactions.
_UNTIL = bindparam("until", type_=worker.c.lease_until.type)
_RENEW = Prepared(
    update(worker)
    .where(worker.c.id == bindparam("worker"), worker.c.retired_at.is_(None))
    .values(lease_until=case((worker.c.lease_until > _UNTIL, worker.c.lease_until), else_=_UNTIL))
    .returning(worker.c.id)
)
_RETIRE = (
    update(worker)
    .where(worker.c.id == bindparam("worker"))
    .values(retired_at=bindparam("now", type_=worker.c.retired_at.type))
)
_UNRETIRED = select(worker.c.id, worker.c.host, worker.c.process, worker.c.lease_until).where(
    worker.c.retired_at.is_(None)
)


def _host() -> str:
    """This boot of this machine, and the process numbers of this container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        boot, namespace = socket.gethostname(), ""
    return hashlib.sha256(f"{boot} {namespace}".encode()).hexdigest()


def _started(pid: int) -> str:
    """When a live process started, in the kernel's ticks; empty for one that is gone or can't be seen."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    state, started = fields[0], fields[19]
    return "" if state in "ZX" else started
