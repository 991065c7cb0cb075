"""The files that hold DKIM's private keys: made once, readable by their owner only, named in [dkim]."""

from __future__ import annotations

from pathlib import Path

from mailer.config.settings import DkimSettings
from mailer.errors import ConfigurationError, InvalidInput
from mailer.files import locked_folder, read_file, write_file
from mailer.message import dkim

_LARGEST = 100_000  # bytes


def read(settings: DkimSettings) -> tuple[dkim.DkimKey, ...]:
    """The keys that mail is signed with; none where none is set. Raises ConfigurationError naming what is wrong."""
    pairs = (
        (settings.selector, settings.key_file),
        (settings.ed25519_selector, settings.ed25519_key_file),
    )
    return tuple(_read(settings.domain, *pair) for pair in pairs if any(pair))


def write(key: dkim.DkimKey, path: Path) -> None:
    """Keep the key in a new file with mode 0600. Raises ConfigurationError where there is one already."""
    try:
        with locked_folder(path):
            if path.exists():
                raise ConfigurationError(
                    f"{path} is there already.",
                    hint="A published key is not replaced: make a new one with another --selector.",
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
