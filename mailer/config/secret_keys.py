"""The list of secret keys in the secrets file, oldest first: the last one signs, each verifies."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array

from mailer.errors import ConfigurationError


def fresh_key() -> str:
    """A key of 256 random bits, in characters that need no escape in TOML or in a variable."""
    return secrets.token_urlsafe(32)


def rotate(path: Path) -> int:
    """Add a fresh key at the end of the list in the secrets file `path`; returns how many there are now.

    Everything else in the file stays as it is, comments too. A reader sees either the old file or the new one.
    Raises ConfigurationError, with the file unchanged, where it has no such list.
    """
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
    keys.add_line(fresh_key(), indent="  ", newline=True)
    _replace(path, tomlkit.dumps(document))
    return len(keys)


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
