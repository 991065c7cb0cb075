"""Whether the ledger is intact, as far as sending and monitoring need to know it: checked anew, but not all the time."""

from __future__ import annotations

import threading
import time
from weakref import WeakKeyDictionary

from mailer.database import Database
from mailer.errors import MailerError, Refused
from subscribers.ledger.events import BrokenLink
from subscribers.ledger.ledger import UNREADABLE_ROW_ERRORS
from subscribers.ledger.verification import verify

MIN_SECONDS_BETWEEN = 1.0
SHARE_OF_TIME = 1 / 20  # that checks take at most

_known: WeakKeyDictionary[Database, LedgerHealth] = WeakKeyDictionary()


class LedgerHealth:
    """What the last verification of a database's ledger found. Threads may share it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._next_check = 0.0
        self._problem: MailerError | None = None

    @classmethod
    def of(cls, database: Database) -> LedgerHealth:
        """The health of this database's ledger, which all who hold the database share."""
        return _known.setdefault(database, cls(database))

    def problem(self, *, check_now: bool = False) -> MailerError | None:
        """What is wrong with the ledger, or None. `check_now` verifies it even where that was done a moment ago.

        Otherwise it is verified at most once a second, and for at most a twentieth of the time.
        """
        with self._lock:
            began = time.monotonic()
            if check_now or began >= self._next_check:
                self._problem = self._verify()
                ended = time.monotonic()
                self._next_check = ended + max(MIN_SECONDS_BETWEEN, (ended - began) / SHARE_OF_TIME)
            return self._problem

    def refuse_if_damaged(self, *, check_now: bool = False) -> None:
        """Raise Refused where the ledger, or what is derived from it, is damaged: then nothing is to be sent."""
        problem = self.problem(check_now=check_now)
        if isinstance(problem, BrokenLink):
            raise Refused(f"Nothing is sent. {problem.message}", hint=problem.hint)
        if problem is not None:
            raise problem

    def _verify(self) -> MailerError | None:
        try:
            with self._database.read() as connection:
                verify(connection)
        except MailerError as error:
            return error
        except UNREADABLE_ROW_ERRORS:
            return BrokenLink(0, "it can't be read")
        return None
