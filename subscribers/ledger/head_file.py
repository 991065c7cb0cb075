"""The head file beside the secrets: the newest signed checkpoint that was seen, which the database must still hold.

A database that is older, or went along another way, was restored or rolled back. Entries that came after the head file
was written last, at most a second before, are covered by the checkpoint in the database alone.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from sqlalchemy import Connection

from mailer.backup import Marker, Position
from mailer.backup.marker import MIN_SECONDS_BETWEEN
from mailer.database import Database, ProcessKind, count_beats, installation_id
from mailer.errors import MailerError
from mailer.quantity import quantity
from mailer.threads import start_if_possible
from subscribers.ledger.checkpoint import signer_of
from subscribers.ledger.events import BrokenEntry
from subscribers.ledger.reading import UNREADABLE_ROW_ERRORS
from subscribers.ledger.tiles import entry_hashes, head, read_stored
from subscribers.ledger.tree import Frontier

CLOSE_SECONDS = 5.0
MOST_NEW_ENTRIES = 20_000  # that are hashed to see that the ledger goes on; for more the tiles are quicker

log = logging.getLogger("mailer.ledger")


class HeadFile:
    """The head file at `path`; without a path nothing is remembered."""

    def __init__(self, database: Database, path: Path | None) -> None:
        self._database = database
        self._marker = Marker(path)
        self._known: Frontier | None = None  # of the ledger as it was when this object wrote the file

    def is_ahead(self, connection: Connection) -> bool:
        """Whether the database has come less far than the file says, or along another way.

        Raises ConfigurationError for a file that can't be read.
        """
        noted = self._marker.read()
        if noted is None or installation_id(connection) != noted.installation:
            return False  # another installation's says nothing
        if count_beats(connection, ProcessKind.SEND) < noted.seconds_sent:
            return True
        if self._known is not None and (self._known.size, self._known.root.hex()) == (
            noted.entries,
            noted.root,
        ):
            return not _continues(connection, self._known)
        return head(connection, noted.entries).root != noted.root

    def is_signed(self) -> bool:
        """Whether the file holds a signed checkpoint."""
        noted = self._marker.read()
        return noted is not None and bool(noted.checkpoint)

    def note(self, *, at_once: bool = False) -> None:
        """Remember how far the database has come, unless it has gone back; at most once a second, or `at_once`."""
        with self._database.read() as connection:
            if not self.is_ahead(connection):
                self.remember(connection, at_once=at_once)

    def rebase(self) -> None:
        """Take the database as it is now for its newest state."""
        with self._database.read() as connection:
            self.remember(connection, at_once=True)

    def check(self, connection: Connection) -> int | None:
        """Compare the ledger with the file; returns how many entries it covers, None where there is none.

        Raises BrokenEntry where they do not agree, ConfigurationError where the file can't be read.
        """
        noted = self._marker.read()
        if noted is None or noted.installation != installation_id(connection):
            return None
        signer = signer_of(connection)
        if noted.checkpoint and signer is not None and signer.key is not None:
            signed = signer.open(noted.checkpoint)
            if signed is None or (signed.size, signed.root.hex()) != (noted.entries, noted.root):
                raise BrokenEntry(noted.entries, f"{self._marker.path} was signed by another key, or altered")
        found = head(connection, noted.entries)
        if not found.root:
            raise BrokenEntry(
                noted.entries,
                f"it is missing; {self._marker.path} has {quantity(noted.entries, 'entry', 'entries')}",
            )
        if found.root != noted.root:
            raise BrokenEntry(noted.entries, f"the entries up to it are not those of {self._marker.path}")
        return noted.entries

    def remember(self, connection: Connection, *, at_once: bool = False) -> None:
        """Take the database for its newest state; at most once a second, or `at_once`."""
        if (position := _position(connection)) is None:
            return
        self._marker.write(position, at_once=at_once)
        if self._marker.written == position:
            frontier = read_stored(connection).frontier
            self._known = frontier if frontier.size == position.entries else None


class HeadKeeper:
    """Keeps a head file up to date in a thread of its own: `grown` returns at once, and raises nothing."""

    def __init__(self, file: HeadFile) -> None:
        self._file = file
        self._grown, self._closing = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def grown(self) -> None:
        """The ledger has new entries."""
        self._grown.set()
        with self._lock:
            if self._thread is None:
                self._thread = start_if_possible(self._keep, "head")

    def close(self) -> None:
        """Write what is not written yet, and end the thread."""
        if self._thread is not None:
            self._closing.set()
            self._grown.set()
            self._thread.join(CLOSE_SECONDS)
            self._thread = None
        elif self._grown.is_set():
            self._note()

    def _keep(self) -> None:
        while not self._closing.is_set():
            self._grown.wait()
            self._grown.clear()
            self._note()
            self._closing.wait(MIN_SECONDS_BETWEEN)
        if self._grown.is_set():
            self._note()

    def _note(self) -> None:
        try:
            self._file.note(at_once=True)
        except (MailerError, *UNREADABLE_ROW_ERRORS) as error:
            log.warning("The head file is not up to date: %s", error)


def _position(connection: Connection) -> Position | None:
    """How far the database has come: as far as it is signed, where it is. None where that can't be told."""
    newest, checkpoint = head(connection), ""
    signer = signer_of(connection)
    try:
        signed = read_stored(connection).signed
    except UNREADABLE_ROW_ERRORS:
        return None
    if signer is not None and signer.key is not None and newest.size:
        opened = signer.open(signed) if signed is not None else None
        if signed is None or opened is None:
            return None
        newest, checkpoint = newest._replace(size=opened.size, root=opened.root.hex()), signed
    beats = count_beats(connection, ProcessKind.SEND)
    return Position(installation_id(connection), newest.size, newest.root, beats, checkpoint)


def _continues(connection: Connection, known: Frontier) -> bool:
    """Whether the ledger is `known` with more entries. It costs as much as there are new ones, however many came before."""
    try:
        stored = read_stored(connection).frontier
        if stored.size < known.size or stored.size - known.size > MOST_NEW_ENTRIES:
            return head(connection, known.size).root == known.root.hex()
        return known.extended(entry_hashes(connection, known.size, stored.size)) == stored
    except UNREADABLE_ROW_ERRORS:
        return False
