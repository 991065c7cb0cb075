"""A refresh token that its provider replaces, kept beside the settings (RFC 6749 section 6; RFC 9700 section 4.14.2).

Microsoft gives a new refresh token with each access token, and the old one ends after some months. So the newest is
kept in a file, from which each later process takes it. A token that the settings name anew is used from then on.
"""

from __future__ import annotations

import hashlib
import logging

import msgspec

from mailer.config import OAuth2Settings
from mailer.errors import ConfigurationError, InvalidInput
from mailer.files import locked_folder, read_file, write_file

LARGEST_FILE = 1_000_000  # bytes
MODE = 0o600

log = logging.getLogger(__name__)


class RefreshToken:
    """The refresh token of one relay's settings. Reads and writes a file, so it belongs in a thread."""

    def __init__(self, settings: OAuth2Settings) -> None:
        given = settings.refresh_token
        self._newest = given.reveal() if given else None
        self._path = settings.refresh_tokens_file
        of = "\n".join((settings.token_url, settings.client_id, self._newest or ""))
        self._id = hashlib.sha256(of.encode()).hexdigest()[:32]

    def newest(self) -> str | None:
        """The token to use now: the kept one, else the one in the settings; None for client credentials."""
        if self._newest is not None and self._path.is_absolute():
            self._newest = self._kept().get(self._id, self._newest)
        return self._newest

    def replace(self, token: str) -> None:
        """Use `token` from now on, and keep it. Where it can't be written, this process alone knows it."""
        self._newest = token
        if not self._path.is_absolute():  # the settings come from no file
            return
        try:
            with locked_folder(self._path):
                write_file(self._path, msgspec.json.encode(self._kept() | {self._id: token}), MODE)
        except ConfigurationError as error:
            log.warning("The new refresh token is not kept: %s", error.message)

    def _kept(self) -> dict[str, str]:
        """The tokens in the file, by the id of the settings that they belong to."""
        try:
            found = msgspec.json.decode(read_file(self._path, LARGEST_FILE), type=dict[str, object])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError, RecursionError, InvalidInput):
            log.warning("%s can't be read; the refresh token in the settings is used.", self._path)
            return {}
        return {settings_id: token for settings_id, token in found.items() if isinstance(token, str)}
