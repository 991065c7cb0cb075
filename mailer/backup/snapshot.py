"""Back up a SQLite database while it is used: one consistent file and its checksum."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mailer.config import SECRETS_NAME, Settings
from mailer.database import Database
from mailer.database.url import pg_dump_name
from mailer.errors import ConfigurationError, MailerError
from mailer.new_files import new_file

CHECKSUM = ".sha256"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A backup: the file, its checksum file, the SHA-256 (hex) and the size in bytes."""

    path: Path
    checksum: Path
    sha256: str
    size: int


def take(database: Database, target: Path, *, beside: bool = False) -> Snapshot:
    """Write a backup of a SQLite database to `target`, a new file for its owner only, and its SHA-256 beside
    it.

    Each file is complete or absent; `beside` the settings they are the folder's owner's also where root writes them. Raises
    ConfigurationError if a file exists, MailerError if it can't be written or the database is damaged.
    """
    checksum = checksum_file(target)
    is_noted = False
    try:
        with new_file(target, beside=beside) as copy:
            database.copy_file(copy, target)
            database_file = Path(database.url.database or "")
            make_standalone(
                copy, database_file, "Keep it, stop sending, and restore an earlier backup.", name=target
            )
            sha256 = hash_of(copy)
            with new_file(checksum, beside=beside, replaces=_is_left(checksum, target)) as noted:
                noted.write_text(f"{sha256}  {target.name}\n", encoding="utf-8")
            is_noted = True
    except BaseException as error:
        if is_noted:
            checksum.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unwritable(error, target) from None
        raise
    return Snapshot(target, checksum, sha256, target.stat().st_size)


def _is_left(checksum: Path, target: Path) -> bool:
    """Whether it is the checksum of a backup that a killed process did not finish."""
    try:
        noted = checksum.read_text(encoding="utf-8").removesuffix(f"  {target.name}\n")
    except (OSError, UnicodeDecodeError):
        return False
    return re.fullmatch(r"[0-9a-f]{64}", noted) is not None


def _unwritable(error: OSError, target: Path) -> MailerError:
    if isinstance(error, FileExistsError):
        return ConfigurationError(
            f"{error.filename} exists already.",
            hint="Give each backup a name of its own, such as one with the date.",
        )
    return ConfigurationError(f"{target} can't be created: {error.strerror}.")


def checksum_file(backup: Path) -> Path:
    """The path of the checksum of a backup; `sha256sum --check` reads it."""
    return backup.with_name(backup.name + CHECKSUM)


def hash_of(path: Path) -> str:
    """The SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_standalone(path: Path, original: Path, hint: str, *, name: Path) -> None:
    """Check a copy, and make it usable without other files.

    Raises MailerError, which names the `original` if it is damaged, and `name` if the copy can't be written.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE").fetchone()
            [(problem,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.OperationalError as error:
        # Of the disk: what is damaged is a DatabaseError of another kind.
        raise MailerError(
            f"{name} can't be written: {error}.", hint="Nothing was changed. Is there room on the disk?"
        ) from None
    except sqlite3.Error as error:
        problem = str(error)
    if problem != "ok":
        raise MailerError(f"{original} is damaged: {problem}.", hint=hint)


def files_to_keep(settings: Settings, config: Path) -> Iterator[tuple[Path, str]]:
    """The files that must be kept besides the database's backup, each with what is lost without it."""
    kept = {
        config: "the settings",
        config.with_name(SECRETS_NAME): "the secret keys: without them the links in sent mails stop working",
    }
    reasons = {
        ".head": "how far the database has come; keep it apart from the backups",
        ".journal": "who left; without it a restored backup mails them again",
        ".key": "a key of the consent ledger: without it no entry can be signed",
    }
    for path in sorted(settings.folder.glob("mailer.*")) if settings.folder.is_absolute() else []:
        if path.suffix in reasons:
            kept[path] = reasons[path.suffix]
    for relay in settings.every_relay.values():
        if relay.oauth2 is not None:
            kept[relay.oauth2.refresh_tokens_file] = (
                "refresh tokens: without them a relay may refuse the login"
            )
    for key in (settings.dkim.key_file, settings.dkim.ed25519_key_file):
        if key is not None:
            kept[key] = "a DKIM key: without it mails are not signed"
    yield from ((path, why) for path, why in kept.items() if path.exists())


def pg_dump_command(database: Database, target: Path) -> str:
    """The command that makes a consistent backup of a PostgreSQL database while others use it."""
    return f"pg_dump --format=custom --file={target} '{pg_dump_name(database.url)}'"


def pg_restore_command(database: Database, backup: Path) -> str:
    """The command that restores a backup of a PostgreSQL database, completely or not at all."""
    options = "--clean --if-exists --single-transaction --no-owner"
    return f"pg_restore {options} --dbname='{pg_dump_name(database.url)}' {backup}"
