"""How a connection to PostgreSQL is set up: durable commits, isolation, encoding, time-outs, plans, poolers."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import Any, Final

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DisconnectionError

from mailer.errors import ConfigurationError

IDLE_SECONDS: Final = 1  # after which a pooled connection may have been lost unnoticed
IDLE_IN_TRANSACTION_SECONDS: Final = (
    30  # after which the server ends a transaction whose client sends nothing
)

# A host that is cut off learns it within half a minute, not after TCP's quarter of an hour.
CONNECT_OPTIONS: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "client_encoding": "utf8",  # the server's default may be the encoding of an old database
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# Writing transactions say so themselves: the role's or the database's default may be another.
ISOLATION_LEVEL: Final = "READ COMMITTED"

# The values of synchronous_commit that keep an answered commit.
DURABLE: Final = frozenset({"on", "remote_apply"})
_POOLING_ROUNDS: Final = 5
_PRIVILEGES: Final = (
    ("delivery", "INSERT"),
    ("delivery", "UPDATE"),
    ("worker", "INSERT"),
    ("consent", "UPDATE"),
    ("consent_event", "INSERT"),
    ("subscriber", "DELETE"),
)

# The driver and the pool log a lost connection as a warning of theirs; we report it as an error of ours.
for _name in ("psycopg", "sqlalchemy.pool"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


def set_up(engine: Engine) -> None:
    """Set session parameters on connecting, and check a connection that was idle before it is used.

    A host that freezes or is cut off in a transaction must not keep its locks: no other host could take over.
    Raises ConfigurationError on connecting through a pooler that gives each transaction another session.
    """
    dialect: Any = engine.dialect

    @event.listens_for(engine, "checkin")
    def _(connection: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()
        if connection is not None and not connection.closed:
            # After a reading transaction SQLAlchemy asks for READ WRITE; an operator's read-only default is to hold.
            dialect.set_readonly(connection, None)

    @event.listens_for(engine, "checkout")
    def _(connection: Any, record: Any, _proxy: object) -> None:
        if time.monotonic() - record.info.get("used", time.monotonic()) > IDLE_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error:
                raise DisconnectionError from None

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: object) -> None:
        driver = getattr(connection, "driver_connection", connection)  # below the adapter for asyncio
        if _backend_pid(connection) != driver.info.backend_pid:
            # A pooler stands in between. Another client may have prepared another statement under the same name.
            driver.prepare_threshold = None
            _refuse_transaction_pooling(connection, engine)
        _set_session_parameters(connection)


def _set_session_parameters(connection: Any) -> None:
    with closing(connection.cursor()) as cursor:
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_SECONDS}s'")
        # A statement that runs a thousand times a second is planned once, for any values. Statistics from before
        # anything was claimed would make the gate read all claimed rows.
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        cursor.execute("SELECT current_setting('synchronous_commit')")
        (synchronous_commit,) = cursor.fetchone()
        if synchronous_commit not in DURABLE:
            # At most one mail to each person rests on this: a commit that was answered is there after a crash.
            cursor.execute("SET synchronous_commit = on")
    connection.commit()


def _refuse_transaction_pooling(connection: Any, engine: Engine) -> None:
    """Compare the server's processes over several transactions: a session of our own keeps its process.

    With transaction pooling a second connection gets the process that the first has just released, or, under load, the
    first gets another one itself.
    """
    arguments, options = engine.dialect.create_connect_args(engine.url)
    with closing(engine.dialect.loaded_dbapi.connect(*arguments, **options)) as other:
        getattr(other, "driver_connection", other).prepare_threshold = None
        first = _backend_pid(connection)
        for _ in range(_POOLING_ROUNDS):
            if _backend_pid(other) == first or _backend_pid(connection) != first:
                raise ConfigurationError(
                    "The database is reached through a pooler in transaction mode, which does not keep the settings "
                    "of a session, durable commits among them.",
                    hint="Connect to PostgreSQL directly, or set pool_mode = session (see docs/postgresql.md).",
                )


def _backend_pid(driver: Any) -> int:
    with closing(driver.cursor()) as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    driver.commit()
    return int(pid)


def require_privileges(connection: Connection) -> None:
    """Raise ConfigurationError where the role may not write to a table that every run writes to."""
    for table, privilege in _PRIVILEGES:
        allowed = text("SELECT has_table_privilege(:table, :privilege)")
        if not connection.execute(allowed, {"table": table, "privilege": privilege}).scalar_one():
            raise ConfigurationError(
                f"The database's role lacks the privilege {privilege} on the table {table}.",
                hint="Connect as the role that ran `mailer init`, or grant that one's privileges to this role.",
            )


def durability_problem(connection: Connection) -> str | None:
    """What in the server's set-up may lose a commit that was answered, or lets none be answered; None where nothing does."""
    if connection.execute(text("SHOW fsync")).scalar_one() == "off":
        return "fsync is off: a crash of the server's machine loses commits or the whole database"
    standbys = connection.execute(text("SELECT count(*) FROM pg_stat_replication")).scalar_one()
    is_synchronous = bool(connection.execute(text("SHOW synchronous_standby_names")).scalar_one())
    if standbys and not is_synchronous:
        return "its standby is asynchronous: after a promotion people may get a mail twice"
    if is_synchronous and not standbys:
        return "its synchronous standby is away: every commit waits for it"
    return None
