"""The lock between the gate and people who leave, on PostgreSQL. SQLite needs none: it has one writer at a time.

The gate reads consents, and its transaction commits a moment later. A consent that ended in between would be one that
nobody obeys. So the gate holds all consents with a shared lock, and whoever ends one, or suppresses an address, waits
for the gates under way and holds up the next ones until the commit. Many gates hold it at once; a grant needs no lock.

It is an advisory lock of the transaction, named after the table: a lost connection frees it, and so does a savepoint
that is rolled back, together with what it protects. It comes before the lock of any row of a delivery or a worker,
and after the ledger's lock, so that no two transactions wait for each other.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, func, literal_column, select

from mailer.database import Prepared, Step, is_postgresql

_NUMBER: ColumnElement[int] = literal_column("CAST('consent'::regclass AS bigint)")
HOLD_CONSENTS = Step(Prepared(select(func.pg_advisory_xact_lock_shared(_NUMBER))), {})
_WAIT_FOR_GATES = Step(Prepared(select(func.pg_advisory_xact_lock(_NUMBER))), {})


def hold_consents(connection: Connection) -> None:
    """Wait until nobody is ending a consent, and let nobody end one until the transaction ends.

    Read the consents with a later statement: it sees what was committed before it began.
    """
    if is_postgresql(connection):
        HOLD_CONSENTS.run(connection)


def wait_for_gates(connection: Connection) -> None:
    """Wait until no gate holds the consents, and let none hold them until the transaction ends.

    To be called before what ends a consent or suppresses an address. It holds up sending: commit within 100 ms.
    """
    if is_postgresql(connection):
        _WAIT_FOR_GATES.run(connection)
