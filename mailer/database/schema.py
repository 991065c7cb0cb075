"""Create the tables, and bring them from an earlier version to this one: Alembic's migrations, part of the package."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from mailer.database.dialect import is_postgresql
from mailer.database.schema_version import SchemaState, read_state, wrong_version
from mailer.errors import ConfigurationError, TryAgainLater
from mailer.plain_database import VERSION_TABLE

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x6D61696C6572  # "mailer", as a number; any number that nobody else uses in this database


def create(connection: Connection) -> bool:
    """Create the tables in a database without any, wholly or not at all; returns False where they are current.

    A second process at the same time waits, and then finds them current. Raises ConfigurationError where the tables
    are of another version, and for a database that is not UTF8.
    """
    with connection.begin():
        if is_postgresql(connection):
            _refuse_other_encodings(connection)
            _lock(connection)
        state = read_state(connection)
        if state is SchemaState.CURRENT:
            return False
        if state is not SchemaState.EMPTY:
            raise wrong_version(state)
        _migrate(connection)
    return True


def upgrade(connection: Connection) -> bool:
    """Bring tables of an earlier version to this one, wholly or not at all; returns False where they are current.

    Every other process is kept out meanwhile, and sees the new version as soon as it gets in. Raises TryAgainLater
    where another process is sending, and ConfigurationError where there is nothing to upgrade from.
    """
    with connection.begin():
        if is_postgresql(connection):
            _lock(connection)
        state = read_state(connection)
        if state is SchemaState.CURRENT:
            return False
        if state is not SchemaState.OLDER:
            raise wrong_version(state)
        if is_postgresql(connection):
            connection.execute(text(f"LOCK TABLE {VERSION_TABLE} IN ACCESS EXCLUSIVE MODE"))
        _refuse_while_sending(connection)
        _migrate(connection)
    return True


def _lock(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _refuse_while_sending(connection: Connection) -> None:
    live = text("SELECT count(*) FROM worker WHERE retired_at IS NULL AND lease_until > CURRENT_TIMESTAMP")
    if connection.execute(live).scalar_one():
        raise TryAgainLater(
            "Another process is sending mail with this database.",
            hint="Stop `mailer send`, `run-due` and `worker` on every host, wait a minute, and run `mailer upgrade` again.",
        )


def _refuse_other_encodings(connection: Connection) -> None:
    encoding = connection.execute(text("SELECT current_setting('server_encoding')")).scalar_one()
    if encoding != "UTF8":
        raise ConfigurationError(
            f"The database has the encoding {encoding}, which can't hold every name.",
            hint="Make one in UTF8: createdb --encoding=UTF8 --template=template0 NAME",
        )
