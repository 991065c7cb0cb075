"""How a connection to PostgreSQL is set up: time-outs, plans, and a check of connections that were idle."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

IDLE_SECONDS = 1  # after which a pooled connection may have been lost unnoticed
IDLE_IN_TRANSACTION_SECONDS = 30  # after which the server ends a transaction whose client sends nothing

# A host that is cut off learns it within half a minute, not after TCP's quarter of an hour.
KEEPALIVE_OPTIONS = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def set_up(engine: Engine) -> None:
    """Set session parameters on connecting, and check a connection that was idle before it is used.

    A host that freezes or is cut off in a transaction must not keep its locks: no other host could take over.
    """

    @event.listens_for(engine, "checkin")
    def _(_connection: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _(connection: Any, record: Any, _proxy: object) -> None:
        if time.monotonic() - record.info.get("used", time.monotonic()) > IDLE_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error:
                raise DisconnectionError from None

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_SECONDS}s'")
        # A statement that runs a thousand times a second is planned once, for any values. Statistics from before
        # anything was claimed would make the gate read all claimed rows.
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        cursor.close()
        connection.commit()
