"""Replace a SQLite database by a backup, even while other processes have it open."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import URL, Connection

from mailer.backup.snapshot import checksum_file, hash_of, make_standalone, take
from mailer.database import Database, sqlite_file
from mailer.database.schema_version import SchemaState
from mailer.errors import InvalidInput, MailerError
from mailer.files import sync_folder

_BUSY_SECONDS = 60
_DAMAGED = "Nothing was changed. Restore an earlier backup."
_BESIDE = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Restored:
    """The result: the path of the former database, if there was one, and whether the checksum was compared."""

    former: Path | None
    is_verified: bool


def restore(database: Database, backup: Path, hold: Callable[[Connection], None], now: datetime) -> Restored:
    """Replace the database by `backup`; `hold` is called in the first transaction on it.

    Other processes see the former database or the restored and held one, nothing in between. The former
    database is kept beside it. Raises InvalidInput if the backup does not match its checksum or is the
    database itself, MailerError if it is damaged.
    """
    path = Path(database.url.database or "")
    if path.exists() and path.samefile(backup):  # a copy of its files would lack what is written meanwhile
        raise InvalidInput(
            "it is the database itself",
            where=str(backup),
            hint="Nothing was changed. `mailer restore` without a file holds the database as it is.",
        )
    is_verified = _verify(backup)
    prepared = path.with_name(f"{path.name}.restoring")
    _remove(prepared)
    try:
        _prepare(backup, prepared, hold)
        former = _keep_former(database, path, now)
        _put_in_place(prepared, path, former)
    finally:
        _remove(prepared)
    return Restored(former if former.exists() else None, is_verified)


def _verify(backup: Path) -> bool:
    checksum = checksum_file(backup)
    try:
        noted = checksum.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        noted = []
    if not noted or noted[0] != hash_of(backup):
        raise InvalidInput(
            f"it is not the file whose SHA-256 is in {checksum.name}",
            where=str(backup),
            hint="It was changed or copied in part. Use another backup.",
        )
    return True


def _prepare(backup: Path, prepared: Path, hold: Callable[[Connection], None]) -> None:
    sqlite_file.create_private(prepared, beside=True)
    try:
        for suffix in _BESIDE[:2]:  # a plain copy of the files includes a log
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{backup}{suffix}", f"{prepared}{suffix}")
    except OSError as error:
        raise MailerError(
            f"{backup} can't be copied to {prepared}: {error.strerror}.", hint="Nothing was changed."
        ) from None
    make_standalone(prepared, backup, _DAMAGED, name=prepared)
    # By its folder, because the name of a folder may be no text, which no URL can hold.
    copy = Database(
        URL.create("sqlite", database=prepared.name).render_as_string(), prepared.absolute().parent
    )
    try:
        state = copy.schema_state()
        if state is SchemaState.EMPTY:
            hint = "Nothing was changed. Restore a file that `mailer backup` wrote."
            raise InvalidInput("it has no tables of Release Mailer", where=str(backup), hint=hint)
        if state is SchemaState.OLDER:
            copy.upgrade()
        copy.require_current()
        with copy.write() as connection:
            hold(connection)
    finally:
        copy.close()
    make_standalone(prepared, backup, _DAMAGED, name=prepared)


def _keep_former(database: Database, path: Path, now: datetime) -> Path:
    """Copy the current database aside, or move it if it is damaged; returns its path, if there was one."""
    former = path.with_name(f"{path.name}.before-restore-{now:%Y%m%dT%H%M%S.%fZ}")
    if not path.exists():
        return former
    if _is_intact(path):
        take(database, former, beside=True)
        return former
    for suffix in _BESIDE:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(former.with_name(former.name + suffix))
    return former


def _is_intact(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False


def _put_in_place(prepared: Path, path: Path, former: Path) -> None:
    """Copy into the existing file in one transaction. Without a file, the copy becomes the database."""
    if not path.exists():
        prepared.rename(path)
        sync_folder(path.parent)
        return
    try:
        with (
            closing(sqlite3.connect(prepared)) as source,
            closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as error:
        raise MailerError(
            f"{path} can't be written: {error}.",
            hint=f"Stop all processes that use it. Its content is kept in {former}.",
        ) from None


def _remove(path: Path) -> None:
    for suffix in _BESIDE:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
