"""The files of DKIM's private keys. [dkim] in the settings names them. Only their owner can read them."""

from __future__ import annotations

from pathlib import Path

from mailer.config.settings import DkimSettings
from mailer.errors import ConfigurationError, InvalidInput
from mailer.files import locked_folder, read_file, write_file
from mailer.message import dkim

_LARGEST = 100_000  # bytes


def read(settings: DkimSettings) -> tuple[dkim.DkimKey, ...]:
    """The keys that sign mail; empty where none is set. Raises ConfigurationError for a missing or invalid key."""
    pairs = (
        (settings.selector, settings.key_file),
        (settings.ed25519_selector, settings.ed25519_key_file),
    )
    return tuple(_read(settings.domain, *pair) for pair in pairs if any(pair))


def signers(settings: DkimSettings) -> list[dkim.Signer]:
    """A signer for each key of `read`. Raises its errors."""
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


def _read(domain: str | None, selector: str | None, path: Path | None) -> dkim.DkimKey:
    if domain is None or selector is None or path is None:
        raise ConfigurationError("[dkim] needs domain, selector and key file together.")
    try:
        pem = read_file(path, _LARGEST)
    except InvalidInput as error:
        raise ConfigurationError(f"The DKIM key {path} {error.reason}.") from None
    except OSError as error:
        raise ConfigurationError(
            f"The DKIM key {path} can't be read: {error.strerror}.", hint="Make one with `mailer keys dkim`."
        ) from None
    return dkim.load(pem, domain=domain, selector=selector)
