"""Rotate the keys in the secrets file. It has a list, oldest first, whose last key signs, and perhaps a
prepared key.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

import tomlkit
from tomlkit import TOMLDocument
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array

from mailer.config.files import read_settings_file
from mailer.errors import ConfigurationError, InvalidInput
from mailer.files import locked_folder, write_file
from mailer.keyed_hash import created_at, key_id

_PREPARED = "next_secret_key"


def fresh_key(now: datetime | None = None) -> str:
    """A new key: its creation time and 256 random bits, in characters that TOML and variables need not
    escape.

    `key_id` contains the time, so a process recognises a key that is newer than its own.
    """
    return f"{now or datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_urlsafe(32)}"


def rotate(path: Path) -> int:
    """Append a new key to the list in the secrets file `path`; returns the number of keys.

    The rest of the file does not change, including comments. Readers see the old file or the new one. Raises
    ConfigurationError if the file has no list or has a prepared key; the file is then unchanged.
    """
    with locked_folder(path):
        document, keys = _read(path)
        if _PREPARED in document:
            raise ConfigurationError(
                f"{path} has a prepared key already.", hint="Sign with it: `mailer keys rotate --activate`."
            )
        keys.add_line(_newer_key(keys), indent="  ", newline=True)
        _replace(path, document)
        return len(keys)


def prepare(path: Path) -> bool:
    """Add a key to the secrets file that verifies and does not sign yet; False if there is one already.

    Raises ConfigurationError like `rotate`.
    """
    with locked_folder(path):
        document, keys = _read(path)
        if _PREPARED in document:
            return False
        document.add(_PREPARED, tomlkit.string(_newer_key(keys)))
        _replace(path, document)
        return True


def activate(path: Path) -> int:
    """Append the prepared key to the list, so that it signs; returns the number of keys.

    Raises ConfigurationError like `rotate`, and if no key is prepared.
    """
    with locked_folder(path):
        document, keys = _read(path)
        if _PREPARED not in document:
            raise ConfigurationError(
                f"{path} has no prepared key.", hint="Make one: `mailer keys rotate --prepare`."
            )
        keys.add_line(str(document.pop(_PREPARED)), indent="  ", newline=True)
        _replace(path, document)
        return len(keys)


def _newer_key(keys: Array) -> str:
    """A new key. Its creation time is later than that of all others, even if the clock is behind."""
    newest = max((created_at(key_id(str(key).encode())) for key in keys), default=0)
    return fresh_key(max(datetime.now(UTC), datetime.fromtimestamp(newest + 1, UTC)))


def _read(path: Path) -> tuple[TOMLDocument, Array]:
    try:
        document = tomlkit.parse(read_settings_file(path))
    except InvalidInput as error:
        raise ConfigurationError(f"{path} {error.reason}.") from None
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not valid TOML"
        raise ConfigurationError(f"{path} can't be read: {reason}.", hint="Run `mailer init`.") from None
    keys = document.get("secret_keys")
    if not isinstance(keys, Array):
        raise ConfigurationError(
            f"{path} has no list of secret_keys to add a key to.",
            hint='Write it as: secret_keys = ["oldest", "newest"]. Where the keys are in the settings file, move them.',
        )
    return document, keys


def _replace(path: Path, document: TOMLDocument) -> None:
    write_file(path, tomlkit.dumps(document).encode(), 0o600)
