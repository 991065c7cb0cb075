"""The files of DKIM's private keys. [dkim] in the settings names them. Only their owner can read them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mailer.config.settings import DkimSettings
from mailer.errors import ConfigurationError
from mailer.files import locked_folder, write_file

if TYPE_CHECKING:
    from mailer.message import dkim


_PREFIXES = ("", "ed25519_")  # of the names of a key's settings


class KeyPlace(NamedTuple):
    """Where a key is, and where its public half is in DNS."""

    domain: str
    selector: str
    path: Path


def places(settings: DkimSettings) -> tuple[KeyPlace, ...]:
    """The keys that sign mail; empty where none is set. Raises ConfigurationError where a part of a key is missing."""
    return tuple(
        _place(settings, prefix)
        for prefix in _PREFIXES
        if getattr(settings, f"{prefix}selector") or getattr(settings, f"{prefix}key_file")
    )


def read(settings: DkimSettings) -> tuple[dkim.DkimKey, ...]:
    """The keys of `places`. Raises ConfigurationError for a missing or invalid key."""
    from mailer.message import dkim  # noqa: PLC0415 - mails are signed in another process, so sending needs only `places`

    return tuple(
        dkim.load_file(one.path, domain=one.domain, selector=one.selector) for one in places(settings)
    )


def signers(settings: DkimSettings) -> list[dkim.Signer]:
    """A signer for each key of `read`. Raises its errors."""
    from mailer.message import dkim  # noqa: PLC0415 - as above

    return [dkim.Signer(key) for key in read(settings)]


def write(key: dkim.DkimKey, path: Path) -> None:
    """Write the key to a new file with mode 0600. Raises ConfigurationError if the file exists."""
    try:
        with locked_folder(path):
            if path.exists():
                raise ConfigurationError(
                    f"{path} exists already.",
                    hint="A published key is not replaced. Make a new one with another --selector.",
                )
            write_file(path, key.pem(), 0o600)
    except OSError as error:
        raise ConfigurationError(f"{path} can't be created: {error.strerror}.") from None


def _place(settings: DkimSettings, prefix: str) -> KeyPlace:
    names = ("domain", f"{prefix}selector", f"{prefix}key_file")
    missing = [name for name in names if getattr(settings, name) is None]
    if missing:
        raise ConfigurationError(
            f"[dkim] has no {' and no '.join(missing)}: a key needs {names[0]}, {names[1]} and {names[2]}.",
            hint="Set what is missing, or take out the rest. `mailer keys dkim` makes a key and prints all three.",
        )
    return KeyPlace(*(getattr(settings, name) for name in names))
