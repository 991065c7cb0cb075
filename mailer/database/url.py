"""Parse the database URL of the settings."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from mailer.errors import ConfigurationError, InvalidInput

_EXAMPLES = 'Write "sqlite:///mailer.db" or "postgresql://user@host/database".'

_SEVERAL_HOSTS = 'Name several hosts so: "postgresql://user@/database?host=one,two&port=5432,5433".'


def parse_url(url: str, folder: Path) -> URL:
    """The URL without a driver's name; a SQLite path is relative to `folder`.

    Raises ConfigurationError for anything but a SQLite file or PostgreSQL.
    """
    try:
        return _parsed(url, folder)
    except InvalidInput as error:
        raise ConfigurationError(f"database_url {error.reason}.", hint=error.hint) from None


def check_url(url: str) -> None:
    """Raise ValueError where `parse_url` would raise an error."""
    try:
        _parsed(url, Path())
    except InvalidInput as error:
        raise ValueError(f"{error.reason}. {(error.hint or '').rstrip('.')}") from None


def _parsed(url: str, folder: Path) -> URL:
    if _has_raw_at_sign(url):
        raise InvalidInput(
            "has more than one @, so it is not clear where the password ends",
            hint="Write %40 for each @ in the user name or the password (and %25 for a %).",
        )
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: the port is not a number
        hint = _SEVERAL_HOSTS if url.startswith("postgres") and "," in url.partition("?")[0] else _EXAMPLES
        raise InvalidInput("can't be read", hint=hint) from None
    backend = parsed.get_backend_name()
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql")
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite", database=str(folder / parsed.database))
    raise InvalidInput("names neither a SQLite file nor PostgreSQL", hint=_EXAMPLES)


def driver_url(url: URL, sqlite_driver: str) -> URL:
    """The URL for SQLAlchemy, with the driver's name."""
    if url.get_backend_name() != "sqlite":
        return url.set(drivername="postgresql+psycopg")
    # mode=rw: only `Database.create` makes a file, so that a mistyped path is an error, not an empty database.
    return url.set(
        drivername=f"sqlite+{sqlite_driver}",
        database=Path(url.database or "").absolute().as_uri(),
        query={"mode": "rw", "uri": "true"} | dict(url.query),
    )


def has_password(url: str) -> bool:
    """Whether the URL contains a password, or can't be parsed and so may contain one."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return True
    return _has_raw_at_sign(url) or bool(parsed.password) or "password" in parsed.query


def _has_raw_at_sign(url: str) -> bool:
    """An @ that is not percent-encoded ends the password early, and the rest of it would pass for the host."""
    scheme, _, rest = url.partition("://")
    return scheme.startswith("postgres") and rest.partition("?")[0].count("@") > 1


def display_name(url: URL) -> str:
    """The database's name for error messages: the URL without the password, including one in the query
    string. Bytes of a file's name that are no text are shown by their number.
    """
    shown = url.set(query={})
    if shown.database:
        octets = shown.database.encode("utf-8", "surrogateescape")
        shown = shown.set(database=octets.decode("utf-8", "backslashreplace"))
    return f"The database {shown.render_as_string(hide_password=True)}"


def pg_dump_name(url: URL) -> str:
    """The database's URL for PostgreSQL's programs, without the password, which they read from ~/.pgpass."""
    without = url.difference_update_query(["password"])._replace(password=None)  # `set` would keep it
    return without.render_as_string(hide_password=False)
