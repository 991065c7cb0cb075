"""Whether the ledger is intact, for monitoring, and whether it is safe to send on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from weakref import WeakKeyDictionary

from sqlalchemy import Connection

from mailer.database import Database
from mailer.errors import MailerError, Refused
from subscribers.ledger.events import BrokenEntry
from subscribers.ledger.reading import UNREADABLE_ROW_ERRORS
from subscribers.ledger.safety import check_before_freezing, check_before_run
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

    def problem(self) -> MailerError | None:
        """What is wrong with the ledger, or None.

        It is verified at most once a second, and for at most a twentieth of the time.
        """
        with self._lock:
            began = time.monotonic()
            if began >= self._next_check:
                self._problem = self._verify()
                ended = time.monotonic()
                self._next_check = ended + max(MIN_SECONDS_BETWEEN, (ended - began) / SHARE_OF_TIME)
            return self._problem

    def _verify(self) -> MailerError | None:
        return _problem_of(self._database, verify)


def refuse_run_if_unsafe(database: Database) -> None:
    """Raise Refused where the ledger's end or a consent was tampered with: then nothing is to be sent."""
    _refuse(_problem_of(database, check_before_run))


def refuse_freezing_if_unsafe(database: Database) -> None:
    """Raise Refused where an entry, the ledger's end or a consent was tampered with."""
    _refuse(_problem_of(database, partial(check_before_freezing, database=database)))


def _refuse(problem: MailerError | None) -> None:
    if isinstance(problem, BrokenEntry):
        raise Refused(f"Nothing is sent. {problem.message}", hint=problem.hint)
    if problem is not None:
        raise problem


def _problem_of(database: Database, check: Callable[[Connection], object]) -> MailerError | None:
    try:
        with database.read() as connection:
            check(connection)
    except MailerError as error:
        return error
    except UNREADABLE_ROW_ERRORS:
        return BrokenEntry(0, "it can't be read")
    return None
