"""Read the version of the tables in a database, without Alembic, which is slow to import."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from mailer.database.dialect import is_postgresql
from mailer.errors import ConfigurationError
from mailer.plain_database import REVISIONS, VERSION_TABLE

# Tables that every layout had, also those of before VERSION_TABLE.
_OLDEST_TABLES = ("consent_event", "wording", "subscriber", "delivery")


class SchemaState(StrEnum):
    """The tables in the database, compared with those of this version."""

    EMPTY = "empty"
    CURRENT = "current"
    OLDER = "older"
    UNKNOWN = "unknown"  # of a newer version, most likely
    UNVERSIONED = "unversioned"  # a version table without a version, or a version without tables
    UNRELEASED = "unreleased"  # a layout from before the first release, which no migration leads on from


def read_state(connection: Connection) -> SchemaState:
    """The state of the schema that unqualified names lead to."""
    has_tables = all(_has_table(connection, name) for name in _OLDEST_TABLES)
    if not _has_table(connection, VERSION_TABLE):
        return SchemaState.UNRELEASED if has_tables else SchemaState.EMPTY
    version = connection.execute(_SELECT_VERSION).scalar_one_or_none()
    if version is None or not has_tables:
        return SchemaState.UNVERSIONED
    if version not in REVISIONS:
        return SchemaState.UNKNOWN
    return SchemaState.CURRENT if version == REVISIONS[-1] else SchemaState.OLDER


def is_current(connection: Connection) -> bool:
    """Whether the version is this program's, by one statement. A database without a version table has none.

    The statement takes a lock on the version table that `schema.upgrade` waits for, and that waits for an
    upgrade.
    """
    try:
        return connection.execute(_SELECT_VERSION).scalar_one_or_none() == REVISIONS[-1]
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == "42P01" or "no such table" in str(error.orig):
            return False
        raise


def wrong_version(state: SchemaState) -> ConfigurationError:
    """The error for tables that this program can't work with."""
    message, hint = {
        SchemaState.EMPTY: ("The database has no tables of Release Mailer yet.", "Run `mailer init`."),
        SchemaState.OLDER: ("The database has tables of an earlier version.", "Run `mailer upgrade`."),
        SchemaState.UNKNOWN: (
            "The database was made by a newer version of Release Mailer.",
            "Upgrade this installation.",
        ),
        SchemaState.UNVERSIONED: (
            "The database has a version table of Release Mailer, but its version or its tables are missing.",
            "It is damaged or was restored in part. Restore a whole backup.",
        ),
        SchemaState.UNRELEASED: (
            "The database has the layout of a version from before the first release, which can't be upgraded.",
            (
                "Keep it. Set another database_url, run `mailer init`, and import the people with their consent; the "
                "version that made the old database exports them."
            ),
        ),
        SchemaState.CURRENT: (
            "The database was upgraded a moment ago.",
            "Run the command again.",
        ),
    }[state]
    return ConfigurationError(message, hint=hint)


_SELECT_VERSION = text(f"SELECT version_num FROM {VERSION_TABLE}")


def _has_table(connection: Connection, name: str) -> bool:
    found = (
        text("SELECT to_regclass(:name) IS NOT NULL")
        if is_postgresql(connection)
        else text("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = :name")
    )
    return bool(connection.execute(found, {"name": name}).scalar_one())
