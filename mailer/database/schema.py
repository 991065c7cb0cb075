"""Which version the tables are, and how they get to this one: Alembic's migrations, shipped in the package."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from mailer.database.dialect import is_postgresql
from mailer.errors import ConfigurationError

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x6D61696C6572  # "mailer"; any number will do that nobody else uses in this database


def is_current(connection: Connection) -> bool:
    """Whether nothing is left to migrate."""
    present = MigrationContext.configure(connection).get_current_revision()
    return present == ScriptDirectory(str(MIGRATIONS)).get_current_head()


def upgrade(connection: Connection) -> bool:
    """Bring the tables to this version, wholly or not at all; returns whether there was anything to do.

    A second one at the same time waits, and then finds nothing to do. Raises ConfigurationError where the tables
    are of a newer version.
    """
    with connection.begin():
        if is_postgresql(connection):
            _refuse_other_encodings(connection)
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        if is_current(connection):
            return False
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError:
            raise ConfigurationError(
                "The database was made by a newer version of Release Mailer.",
                hint="Upgrade this installation.",
            ) from None
    return True


def _refuse_other_encodings(connection: Connection) -> None:
    encoding = connection.execute(text("SELECT current_setting('server_encoding')")).scalar_one()
    if encoding != "UTF8":
        raise ConfigurationError(
            f"The database has the encoding {encoding}, which can't hold every name.",
            hint="Make one in UTF8: createdb --encoding=UTF8 --template=template0 NAME",
        )
