"""What a ledger keeps in files outside its database: the key that signs it, the head file and the leavers' journal."""

from __future__ import annotations

from collections.abc import Iterable

from mailer.backup import HEAD_NAME
from mailer.config import Settings
from mailer.database import Database
from subscribers.ledger.checkpoint import LedgerSigner
from subscribers.ledger.head_file import HeadFile, HeadKeeper
from subscribers.ledger.journal import JOURNAL_NAME, Journal
from subscribers.ledger.ledger import Grown


class OutsideFiles:
    """The files of a database's ledger, as the settings name them; they are kept up to date until `close`."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._journal = Journal(settings.beside(JOURNAL_NAME))
        self._head = HeadKeeper(HeadFile(database, settings.beside(HEAD_NAME)))
        self.signer: LedgerSigner | None = None
        if settings.ledger_key_file.is_absolute():
            self.signer = LedgerSigner.of_file(settings.ledger_key_file)
            database.attach(self.signer)
        database.after_commit = self._record

    def close(self) -> None:
        """Write what is not written yet. Call it before the database is closed."""
        self._journal.close()
        self._head.close()

    def _record(self, noted: Iterable[object]) -> None:
        """Take what a transaction noted. Returns at once, and raises nothing."""
        noted = list(noted)
        self._journal.record(noted)
        if any(isinstance(one, Grown) for one in noted):
            self._head.grown()
