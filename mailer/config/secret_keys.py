"""The keys in the secrets file: a list, oldest first, whose last one signs, and one that may be prepared to follow."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

import tomlkit
from tomlkit import TOMLDocument
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array

from mailer.errors import ConfigurationError
from mailer.keyed_hash import created_at, key_id

_PREPARED = "next_secret_key"


def fresh_key(now: datetime | None = None) -> str:
    """A key of 256 random bits after its creation time, in characters that need no escape in TOML or in a variable.

    `key_id` carries the time, so that a process recognises a key that is newer than its own.
    """
    return f"{now or datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_urlsafe(32)}"


def rotate(path: Path) -> int:
    """Add a fresh key at the end of the list in the secrets file `path`; returns how many there are now.

    Everything else in the file stays as it is, comments too. A reader sees either the old file or the new one.
    Raises ConfigurationError, with the file unchanged, where it has no such list, or where a key is prepared.
    """
    document, keys = _read(path)
    if _PREPARED in document:
        raise ConfigurationError(
            f"{path} has a prepared key already.", hint="Sign with it: `mailer keys rotate --activate`."
        )
    keys.add_line(_newer_key(keys), indent="  ", newline=True)
    _replace(path, tomlkit.dumps(document))
    return len(keys)


def prepare(path: Path) -> bool:
    """Put a fresh key into the secrets file that verifies and does not sign yet; False where there is one already.

    Raises ConfigurationError like `rotate`.
    """
    document, keys = _read(path)
    if _PREPARED in document:
        return False
    document.add(_PREPARED, tomlkit.string(_newer_key(keys)))
    _replace(path, tomlkit.dumps(document))
    return True


def activate(path: Path) -> int:
    """Sign with the prepared key from now on; returns how many keys there are now.

    Raises ConfigurationError like `rotate`, and where no key is prepared.
    """
    document, keys = _read(path)
    if _PREPARED not in document:
        raise ConfigurationError(
            f"{path} has no prepared key.", hint="Make one: `mailer keys rotate --prepare`."
        )
    keys.add_line(str(document.pop(_PREPARED)), indent="  ", newline=True)
    _replace(path, tomlkit.dumps(document))
    return len(keys)


def _newer_key(keys: Array) -> str:
    """A fresh key whose creation time is later than each other's, also where the clock is behind."""
    newest = max((created_at(key_id(str(key).encode())) for key in keys), default=0)
    return fresh_key(max(datetime.now(UTC), datetime.fromtimestamp(newest + 1, UTC)))


def _read(path: Path) -> tuple[TOMLDocument, Array]:
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not valid TOML"
        raise ConfigurationError(f"{path} can't be read: {reason}.", hint="Run `mailer init`.") from None
    keys = document.get("secret_keys")
    if not isinstance(keys, Array):
        raise ConfigurationError(
            f"{path} has no list of secret_keys to add a key to.",
            hint='Write it as: secret_keys = ["oldest", "newest"]',
        )
    return document, keys


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(
            os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise ConfigurationError(f"{path} can't be written: {error.strerror}.") from None
