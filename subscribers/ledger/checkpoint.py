"""The ledger's checkpoint: its size and root, signed by a key outside the database (C2SP tlog-checkpoint).

Each append signs the new checkpoint after it has compared the former one. So someone who can write to the database
and has not the key can add nothing: the next append, `verify` and the check before a send name it.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, select

from mailer.database import attached
from mailer.errors import ConfigurationError, Refused
from mailer.files import file_version
from mailer.quantity import quantity
from subscribers.kinds import ConsentKind
from subscribers.ledger.events import BrokenEntry
from subscribers.ledger.reading import UNREADABLE_ROW_ERRORS
from subscribers.ledger.tiles import Stored, stored_tree
from subscribers.ledger.tree import HASH_BYTES
from subscribers.tables import EVENT

if TYPE_CHECKING:
    from mailer.config.ledger_key import LedgerKey

RECHECK_SECONDS = 1.0

TAKING_AWAY = frozenset(
    {ConsentKind.WITHDRAWN, ConsentKind.OBJECTED, ConsentKind.ERASED, ConsentKind.SUPPRESSED}
)

log = logging.getLogger("mailer.ledger")


class Checkpoint(NamedTuple):
    """The size and the root that were signed."""

    size: int
    root: bytes


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """The text that is signed."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint | None:
    """The checkpoint in a signed text; None where it is none."""
    lines = text.split("\n")
    try:
        _, size, encoded = lines[:3]
        root = base64.b64decode(encoded, validate=True)
    except ValueError:
        return None
    return Checkpoint(int(size), root) if size.isdecimal() and len(root) == HASH_BYTES else None


class LedgerSigner:
    """Signs the ledger of one database, and tells what was signed. Threads may share it.

    `find_key` gives the key, or None where there is none; it is asked again where `version` has changed, at most once a
    second. A key that can't be read counts as none: it keeps nobody from leaving.
    """

    def __init__(
        self, find_key: Callable[[], LedgerKey | None], version: Callable[[], object] = lambda: 0
    ) -> None:
        self._find_key, self._version = find_key, version
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._known_version: object = self  # of no file
        self._key: LedgerKey | None = None
        self._opened: tuple[str, Checkpoint | None] = ("", None)

    @classmethod
    def of_file(cls, path: Path) -> LedgerSigner:
        """Signs with the key in the file `path`."""

        def find_key() -> LedgerKey | None:
            from mailer.config import ledger_key  # noqa: PLC0415 - cryptography is slow to import

            return ledger_key.read(path)

        return cls(find_key, lambda: file_version(path))

    @property
    def key(self) -> LedgerKey | None:
        """The key that signs."""
        now = time.monotonic()
        if now - self._looked_at >= RECHECK_SECONDS:
            with self._lock:
                self._looked_at = now
                version = self._version()
                if version != self._known_version:
                    self._known_version = version
                    self._key = self._read()
                    self._opened = ("", None)
        return self._key

    def _read(self) -> LedgerKey | None:
        try:
            return self._find_key()
        except ConfigurationError as error:
            log.warning("%s", error.message)
            return None

    def sign(self, size: int, root: bytes) -> str | None:
        """The signed checkpoint (a C2SP signed note); None without a key."""
        key = self.key
        if key is None:
            return None
        note = key.sign(checkpoint_text(key.name, size, root))
        self._opened = (note, Checkpoint(size, root))
        return note

    def open(self, note: str) -> Checkpoint | None:
        """What a signed checkpoint says; None where it was signed by another key, or altered."""
        key, known = self.key, self._opened
        if known[0] == note:
            return known[1]
        text = key.open(note) if key is not None else None
        opened = parse_checkpoint(text) if text is not None else None
        self._opened = (note, opened)
        return opened


def not_signed() -> Refused:
    """The error of what needs a signed ledger."""
    return Refused("The ledger is not signed.", hint="Run `mailer keys ledger`, then `mailer consent sign`.")


def signer_of(connection: Connection) -> LedgerSigner | None:
    """The signer that was attached to the connection's database."""
    return attached(connection, LedgerSigner)


def check_signed(connection: Connection, stored: Stored) -> int:
    """Compare the stored tree with its signed checkpoint; returns how many entries that covers.

    Entries after it are taken where all of them take something away, as withdrawals do that were recorded without the
    key. Raises BrokenEntry for anything else, ConfigurationError where the key that signed is missing. Without a key a
    ledger that was never signed passes.
    """
    signer = signer_of(connection)
    if signer is None:
        return 0
    size = stored.frontier.size
    if signer.key is None:
        if stored.signed is None:
            return 0
        raise ConfigurationError(
            "The key that signs the consent ledger is missing or can't be read.",
            hint="Restore mailer.ledger.key from your copy. Withdrawals are recorded without it.",
        )
    if stored.signed is None:
        if size == 0:
            return 0
        raise BrokenEntry(
            1, "it was never signed; if the ledger is older than its key, sign it: `mailer consent sign`"
        )
    signed = signer.open(stored.signed)
    if signed is None:
        raise BrokenEntry(size, "its checkpoint was signed by another key, or altered")
    if signed.size > size:
        raise BrokenEntry(
            size + 1,
            f"it is missing; the newest signature is for {quantity(signed.size, 'entry', 'entries')}",
        )
    if _root(connection, stored, signed.size) != signed.root:
        raise BrokenEntry(signed.size, "the entries up to it are not those that were signed")
    if signed.size < size and (entry_id := _first_that_gives(connection, signed.size)) is not None:
        raise BrokenEntry(entry_id, "it was added without the key that signs the ledger")
    return signed.size


def _root(connection: Connection, stored: Stored, size: int) -> bytes:
    if size == stored.frontier.size:
        return stored.frontier.root
    try:
        return stored_tree(connection, stored.frontier.size).root(size)
    except UNREADABLE_ROW_ERRORS:
        return b""


def _first_that_gives(connection: Connection, size: int) -> int | None:
    found = select(EVENT.c.id).where(EVENT.c.id > size, EVENT.c.kind.not_in(TAKING_AWAY))
    entry_id: int | None = connection.execute(found.order_by(EVENT.c.id).limit(1)).scalar_one_or_none()
    return entry_id
