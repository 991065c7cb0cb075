"""The files of DKIM's private keys. [dkim] in the settings names them. Only their owner can read them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mailer.config.settings import DkimSettings
from mailer.errors import ConfigurationError
from mailer.files import locked_folder, write_file

if TYPE_CHECKING:
    from mailer.message import dkim


class KeyPlace(NamedTuple):
    """Where a key is, and where its public half is in DNS."""

    domain: str
    selector: str
    path: Path


def places(settings: DkimSettings) -> tuple[KeyPlace, ...]:
    """The keys that sign mail; empty where none is set. Raises ConfigurationError where a part is missing."""
    pairs = (
        (settings.selector, settings.key_file),
        (settings.ed25519_selector, settings.ed25519_key_file),
    )
    return tuple(_place(settings.domain, *pair) for pair in pairs if any(pair))


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


def _place(domain: str | None, selector: str | None, path: Path | None) -> KeyPlace:
    if domain is None or selector is None or path is None:
        raise ConfigurationError("[dkim] needs domain, selector and key file together.")
    return KeyPlace(domain, selector, path)
