"""The secrets file's list of keys, oldest first: the last one signs, all of them verify."""

from __future__ import annotations

import json
import os
import re
import secrets
import tomllib
from pathlib import Path

from mailer.errors import ConfigurationError

_LIST = re.compile(r'^secret_keys\s*=\s*\[(?:[^\]"\'#]|"[^"\\\n]*"|\'[^\'\n]*\'|#[^\n]*)*\]', re.MULTILINE)


def fresh_key() -> str:
    """A key of 256 random bits, in letters that need no escape in TOML or in a variable."""
    return secrets.token_urlsafe(32)


def rotate(path: Path) -> int:
    """Add a fresh key at the end of the list in the secrets file `path`; returns how many there are now.

    Everything else in the file stays as it is, and a reader sees the old file or the new one, whole.
    Raises ConfigurationError, with the file unchanged, where it has no such list.
    """
    try:
        text = path.read_text(encoding="utf-8")
        before = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not valid TOML"
        raise ConfigurationError(f"{path} can't be read: {reason}.", hint="Run `mailer init`.") from None
    keys = [*before.get("secret_keys", []), fresh_key()]
    lines = "".join(f"  {json.dumps(key)},\n" for key in keys)
    changed, count = _LIST.subn(lambda _: f"secret_keys = [\n{lines}]", text)
    if count != 1 or tomllib.loads(changed) != before | {"secret_keys": keys}:
        raise ConfigurationError(
            f"{path} has no list of secret_keys that can be added to.",
            hint='Write it as: secret_keys = ["oldest", "newest"]',
        )
    _replace(path, changed)
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
