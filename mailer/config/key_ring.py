"""The secret keys in use: the key that signs, the keys that only verify, and how a process notices a rotation."""

from __future__ import annotations

import os
import threading
import time
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from mailer.config.files import read_settings_file
from mailer.config.settings import MIN_SECRET_LENGTH, SECRETS_NAME, Settings
from mailer.errors import InvalidInput
from mailer.files import file_version

RECHECK_SECONDS = 1.0


class KeyRing(NamedTuple):
    """The secret keys at one moment.

    `keys` are in order, oldest first. The newest signs; all verify. `prepared` only verifies, because other hosts may
    already sign with it.
    """

    keys: tuple[bytes, ...]
    prepared: bytes | None = None

    @property
    def verifying(self) -> tuple[bytes, ...]:
        """All keys, oldest to newest."""
        return self.keys if self.prepared is None else (*self.keys, self.prepared)


class KeySource(Protocol):
    """A source of the secret keys: a file or a variable."""

    def current(self, *, look_now: bool = False) -> KeyRing:
        """The current keys. `look_now` checks for a change even if the last check is less than a second ago."""


class FixedKeys(NamedTuple):
    """Keys that do not change while the process runs, such as keys in a variable."""

    ring: KeyRing

    def current(self, *, look_now: bool = False) -> KeyRing:  # noqa: ARG002 - they never change
        """The keys."""
        return self.ring


class KeysOfFiles:
    """The keys in the settings file and the secrets file. They are read again when one has changed.

    `paths` are the two files; the later one overrides the earlier. They are examined at most once a second. The first
    keys are those of `ring`. An invalid file changes nothing. Threads may share this object.
    """

    def __init__(self, paths: Sequence[Path], ring: KeyRing) -> None:
        self._paths = tuple(paths)
        self._ring = ring
        self._versions = [file_version(path) for path in self._paths]
        self._looked_at = self._read_at = time.monotonic()
        self._lock = threading.Lock()

    def current(self, *, look_now: bool = False) -> KeyRing:
        """The current keys. `look_now` checks for a change even if the last check is less than a second ago."""
        now = time.monotonic()
        if look_now or now - self._looked_at >= RECHECK_SECONDS:
            self._look(now)
        return self._ring

    def _look(self, now: float) -> None:
        with self._lock:
            self._looked_at = now
            versions = [file_version(path) for path in self._paths]
            if versions == self._versions or now - self._read_at < RECHECK_SECONDS:
                return
            self._versions, self._read_at = versions, now
            try:
                self._ring = _read(self._paths) or self._ring
            except (OSError, ValueError, InvalidInput):
                return  # somebody is editing the file; the former keys stay in use


def key_ring(settings: Settings) -> KeyRing:
    """The keys in `settings`. Raises ConfigurationError if there are none."""
    prepared = settings.next_secret_key
    return KeyRing(settings.keys(), prepared.reveal().encode() if prepared else None)


def key_source(settings: Settings) -> KeySource:
    """A source of the keys in `settings`, which follows changes of its files.

    A variable overrides the files and does not change. Raises ConfigurationError if there are no keys.
    """
    ring, paths = key_ring(settings), (settings.file, settings.folder / SECRETS_NAME)
    if os.environ.get("MAILER_SECRET_KEYS") or not _have_keys(paths):
        return FixedKeys(ring)
    return KeysOfFiles(paths, ring)


def _have_keys(paths: Sequence[Path]) -> bool:
    try:
        return _read(paths) is not None
    except (OSError, ValueError, InvalidInput):
        return False


def _read(paths: Sequence[Path]) -> KeyRing | None:
    """The keys in the files; None if they have none. Raises OSError, ValueError or InvalidInput."""
    values: dict[str, Any] = {}
    for path in paths:
        with suppress(FileNotFoundError):
            values |= tomllib.loads(read_settings_file(path))
    keys, prepared = values.get("secret_keys", []), values.get("next_secret_key")
    if not keys:
        return None
    checked = _checked([*keys, *([prepared] if prepared is not None else [])])
    return KeyRing(checked[: len(keys)], checked[-1] if prepared is not None else None)


def _checked(keys: Sequence[Any]) -> tuple[bytes, ...]:
    if not all(isinstance(key, str) and len(key) >= MIN_SECRET_LENGTH for key in keys):
        raise ValueError("a key is too short")
    return tuple(key.encode() for key in keys)
