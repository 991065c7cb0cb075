"""Which secret key signed last, by its id: a database whose secrets were lost or mixed up is recognised by it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Column, Connection, String, Table, column, select
from sqlalchemy import table as named_table

from mailer.database.column_types import TABLES, UTCDateTime
from mailer.database.dialect import upsert
from mailer.errors import ConfigurationError
from mailer.keyed_hash import key_id


class WrongSecretKeys(ConfigurationError):
    """The secret keys in the settings are not those that the database was used with."""


_TABLE = Table(
    "signing_key", TABLES, Column("key_id", String(16), primary_key=True), Column("used_at", UTCDateTime)
)


def record_signing_key(connection: Connection, keys: Sequence[bytes], now: datetime) -> None:
    """Note that the newest of `keys`, which are listed oldest to newest, signs from `now` on.

    Raises ConfigurationError where the key that signed last is none of them.
    """
    require_signing_key(connection, keys)
    upsert(connection, _TABLE, {"key_id": key_id(keys[-1]), "used_at": now}, newest_by="used_at")


def require_signing_key(connection: Connection, keys: Sequence[bytes]) -> None:
    """Raise ConfigurationError where the key that signed last is none of `keys`: the secrets are not this database's."""
    last = last_signing_key_id(connection)
    if last is not None and last not in map(key_id, keys):
        raise WrongSecretKeys(
            f"The secret keys are not those that this database was used with: key {last} is missing.",
            hint="Restore the secrets file from your copy. With other keys the links in mails already sent don't work, "
            "and suppressed addresses are not recognised.",
        )


def last_signing_key_id(connection: Connection) -> str | None:
    """The id of the key that signed last; None where no mail was sent."""
    newest_first = select(_TABLE.c.key_id).order_by(_TABLE.c.used_at.desc()).limit(1)
    found: str | None = connection.execute(newest_first).scalar_one_or_none()
    return found


def is_ledger_signed(connection: Connection) -> bool:
    """Whether the consent ledger's checkpoint was ever signed: then its key must not be made anew."""
    checkpoint = named_table("ledger_checkpoint", column("signed"))
    return connection.execute(select(checkpoint.c.signed)).scalar() is not None
