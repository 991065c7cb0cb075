"""Translate errors of database drivers into MailerErrors without values of statements and without passwords."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, OperationalError, PendingRollbackError

from mailer.database.url import display_name
from mailer.errors import (
    ConfigurationError,
    InvalidInput,
    MailerError,
    TransactionConflict,
    TryAgainLater,
    exhausted_limit,
)


class _Symptom(NamedTuple):
    """A message of a driver, with the class, text and hint of the MailerError.

    `is_broken_off`: nothing is damaged, and nothing of the transaction is to remain.
    """

    says: tuple[str, ...]
    kind: type[MailerError]
    meaning: str
    hint: str
    is_broken_off: bool = False


_PROTOCOL_VIOLATION = "08P01"  # what PgBouncer says of a mode that it does not serve
_LEAST_MASKED = 4  # characters; replacing fewer would only garble the text

_SQLITE_FILES = 3  # the database, its WAL and the WAL's index

_NO_TABLES = "has no tables of this version"
_FULL = "is on a disk that is full or failing"
_FULL_HINT = "What was committed is safe. Free some space and run the command again."

_NOT_OPENED = _Symptom(
    ("unable to open",),
    ConfigurationError,
    "can't be opened",
    "Run `mailer init`, or go to the folder with your mailer.toml first.",
)
_SQLITE = (
    _Symptom(
        ("no such table", "no such column"),
        ConfigurationError,
        _NO_TABLES,
        "Run `mailer init` in this folder.",
    ),
    _NOT_OPENED,
    _Symptom(
        ("readonly",),
        MailerError,
        "is read-only",
        "Nothing was changed. Check the file's owner and mode, and whether its disk has become read-only: `mailer backup` works "
        "there too.",
        is_broken_off=True,
    ),
    _Symptom(
        ("malformed", "not a database", "Could not decode"),
        MailerError,
        "is damaged",
        "Stop sending, keep the file as it is, and restore a backup.",
    ),
    _Symptom(("disk is full",), MailerError, _FULL, _FULL_HINT, is_broken_off=True),
    _Symptom(("disk I/O",), MailerError, _FULL, _FULL_HINT),
)

_LOST = ("08", "57P")  # ended by an operator, by a restart, or on the way

# By SQLSTATE, or the start of one (PostgreSQL's documentation, appendix A).
_POSTGRESQL = (
    _Symptom(
        ("42P01", "42703", "3F000"), ConfigurationError, _NO_TABLES, "Run `mailer init` in this folder."
    ),
    _Symptom(
        ("42501",),
        ConfigurationError,
        "does not allow the role what it needs",
        "Grant the role ownership of the tables, or CREATE on the schema before `mailer init`.",
    ),
    _Symptom(
        ("25006",),
        MailerError,
        "is read-only",
        "Nothing was changed. Is it a standby, or is default_transaction_read_only on for the role or the database?",
        is_broken_off=True,
    ),
    _Symptom(
        ("40P01", "40001"),
        TransactionConflict,
        "ended the transaction because of another one",
        "Nothing is lost; run the command again.",
        is_broken_off=True,
    ),
    _Symptom(("53100",), MailerError, _FULL, _FULL_HINT, is_broken_off=True),
    _Symptom(("58030",), MailerError, _FULL, _FULL_HINT),
    _Symptom(
        ("XX001", "XX002"),
        MailerError,
        "is damaged",
        "Stop sending, keep the data as they are, and restore a backup.",
    ),
)

# While connecting PostgreSQL's driver gives no SQLSTATE, only text. Waiting helps against these.
_TOO_MANY = r"too many (?:clients|connections)|connection slots are reserved|no more connections allowed"
_PASSING = r"starting up|shutting down|recovery|terminating connection|not yet accepting|timeout"
_REFUSED = (
    r"FATAL: |root certificate|certificate verify|server certificate|does not support SSL|sslmode|certificate file"
    r"|private key|no password supplied|invalid (?:connection option|port)|service file|definition of service"
    r"|pool_mode|pooling mode"
)


def is_broken_off(error: BaseException) -> bool:
    """Whether PostgreSQL ended a transaction because of another one (deadlock, serialization failure), or the connection,
    or the database takes no writes: it is read-only or its disk is full.

    Nothing is damaged then, and nothing of the transaction is to remain.
    """
    if isinstance(error, TransactionConflict | PendingRollbackError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if (symptom := _symptom_of(error)) is not None and symptom.is_broken_off:
        return True
    said: Any = error.orig
    if not hasattr(said, "sqlstate"):  # SQLite's errors have none
        return False
    if said.sqlstate is None:  # the driver's own words: it has lost the connection
        return isinstance(error, OperationalError)
    return bool(said.sqlstate.startswith(_LOST))


@contextmanager
def translated_errors(url: URL) -> Iterator[None]:
    """Translate errors of SQLAlchemy and the driver into MailerErrors, without the statement and its values."""
    try:
        yield
    except DBAPIError as error:
        raise _explain(url, error) from None
    except PendingRollbackError:  # the connection was lost in a savepoint, which was taken for another error
        raise _away(display_name(url)) from None
    except UnicodeEncodeError:  # what is in another encoding, Python passes on as lone surrogates
        raise InvalidInput(
            "A given value, or the name of a file or folder, is not UTF-8 text. Nothing was changed.",
            hint="Give the value in UTF-8, or rename that file or folder: one that the command or the settings name, or the "
            "working directory.",
        ) from None


def _away(name: str) -> TryAgainLater:
    return TryAgainLater(f"{name} is away or busy.", hint="Nothing is lost; run the command again later.")


def _explain(url: URL, error: DBAPIError) -> MailerError:
    name = display_name(url)
    sqlstate: str | None = getattr(error.orig, "sqlstate", None)
    if (symptom := _symptom_of(error)) is not None:
        if symptom is _NOT_OPENED and (used_up := _used_up_files()):
            return used_up
        hint = _not_allowed(url) if symptom is _NOT_OPENED else None
        return symptom.kind(f"{name} {symptom.meaning}.", hint=hint or symptom.hint)
    if isinstance(error, OperationalError) or error.connection_invalidated:
        if sqlstate == "53300":
            return _too_many_connections(name)
        if url.get_backend_name() == "postgresql" and sqlstate in {None, _PROTOCOL_VIOLATION}:
            return _explain_connecting(name, url, str(error.orig))
        return _away(name)
    return MailerError(f"{name} refused a statement: {type(error.orig).__name__}.")


def _symptom_of(error: DBAPIError) -> _Symptom | None:
    sqlstate: str | None = getattr(error.orig, "sqlstate", None)
    said = sqlstate or str(error.orig)
    for symptom in _POSTGRESQL if sqlstate else _SQLITE:
        if any(said.startswith(one) if sqlstate else one in said for one in symptom.says):
            return symptom
    return None


def _not_allowed(url: URL) -> str | None:
    """The hint for a SQLite file that is there and can't be opened."""
    path = Path(url.database or "")
    try:
        is_there = path.exists()
    except OSError:  # its folder may not be entered, so it may be there
        is_there = True
    if not is_there:
        return None
    return f"Check that you may read and write the file and its folder, {path.parent}, and that the file system is not read-only."


def _used_up_files() -> MailerError | None:
    """The error to report if this process can't open the files that SQLite needs. SQLite's message does not
    say so.
    """
    opened: list[int] = []
    try:
        while len(opened) < _SQLITE_FILES:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return exhausted_limit(error)
    finally:
        for number in opened:
            os.close(number)
    return None


def _explain_connecting(name: str, url: URL, said: str) -> MailerError:
    reason = _reason(url, said)
    if re.search(_TOO_MANY, said):
        return _too_many_connections(name)
    if re.search(_REFUSED, said) and not re.search(_PASSING, said):
        return ConfigurationError(
            f"{name} refuses the connection: {reason}.",
            hint="Waiting won't help: correct database_url, the role or the server's settings.",
        )
    return TryAgainLater(
        f"{name} is away or busy: {reason}.", hint="Nothing is lost; run the command again later."
    )


def _too_many_connections(name: str) -> MailerError:
    return TryAgainLater(
        f"{name} has no connection left.",
        hint="Nothing is lost. Raise max_connections or the role's limit, or run fewer processes.",
    )


def _reason(url: URL, said: str) -> str:
    """The driver's message on one line, without the password."""
    _, fatal, after = said.rpartition("FATAL:")
    line = next(
        (line.strip() for line in (after if fatal else said).splitlines() if line.strip()), "no reason given"
    )
    reason = line.rpartition("failed: ")[2].rstrip(".")
    for password in (url.password, url.query.get("password")):
        if isinstance(password, str) and len(password) >= _LEAST_MASKED:
            reason = reason.replace(password, "***")
    return reason
