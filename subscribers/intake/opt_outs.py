"""The rows of a file that say no: the withdrawals that follow, and the rows of the file that they override.

A no about a suppressed address dates the suppression later. A no withdraws the consent of a person on file,
unless it is dated before that consent. A no with the same date withdraws, because exports keep the date of the
consent. Within a file the later date counts; a no without a date is later than any yes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection

from mailer.database import Database
from subscribers import ledger, people, suppression
from subscribers.address import AddressHasher
from subscribers.intake.applicant import Applicant, OptOutRow
from subscribers.intake.duplicates import AddressTable
from subscribers.kinds import AGREED, Channel, ConsentKind
from subscribers.ledger import ConsentStatus, NewEvent

Item = TypeVar("Item")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNDATED = 2**63 - 1
ENDED_AT_ONCE = 100  # in a transaction, which holds up sending on PostgreSQL for less than 100 ms
MAX_UNCONFIRMED_PEOPLE = 20
MAX_UNCONFIRMED_SHARE = 0.05


def need_confirmation(withdrawals: int, agreed: int) -> bool:
    """Whether the number of withdrawals is so large, compared with the consents, that the file may be wrong."""
    return withdrawals > MAX_UNCONFIRMED_PEOPLE and withdrawals > MAX_UNCONFIRMED_SHARE * agreed


class OptOut(NamedTuple):
    """A no about a person on file. `ends_consent`: the person consents now."""

    address_key: str
    said_at: datetime | None
    ends_consent: bool


class OptOuts:
    """The rows of one file that say no to one topic."""

    def __init__(self, topic: str, hasher: AddressHasher) -> None:
        self._topic = topic
        self._hasher = hasher
        self._latest = AddressTable("q")
        self.on_file: dict[str, OptOut] = {}
        self.suppressed: dict[str, datetime | None] = {}

    @property
    def withdrawals(self) -> int:
        """The number of people whose consent these rows withdraw."""
        return sum(one.ends_consent for one in self.on_file.values())

    def read(self, rows: Iterable[OptOutRow], database: Database, batch: int) -> None:
        """Read the rows that say no, and find their people on file."""
        rows = iter(rows)
        while some := list(islice(rows, batch)):
            for row in some:
                hashed = self._hasher.newest(row.address.key).hash
                self._latest.set(hashed, max(_instant(row.said_at), self._latest.get(hashed) or 0))
            with database.read() as connection:
                self._find(connection, some)

    def drop_overridden(self, applicants: Iterable[Applicant]) -> None:
        """Drop each no that a later yes in the same file overrides."""
        for applicant in applicants:
            found = self.on_file.get(applicant.address.key)
            if found is not None and found.said_at is not None and applicant.consented_at > found.said_at:
                del self.on_file[applicant.address.key]

    def overrides(self, applicant: Applicant) -> bool:
        """Whether the same file says no to this yes, at the same time or later."""
        said_at = self._latest.get(applicant.hashed.hash) if len(self._latest) else None
        return said_at is not None and _instant(applicant.consented_at) <= said_at

    def batches(self) -> Iterator[Sequence[OptOut]]:
        """The opt-outs of people on file, in batches for a transaction each."""
        return in_batches(self.on_file.values())

    def date_suppressions(self, database: Database, now: datetime, channel: Channel) -> None:
        """Date the suppressions of those who say no again."""
        for some in in_batches(self.suppressed.items()):
            said_no_at = {key: said_at or now for key, said_at in some}
            with database.write() as connection:
                suppression.date_later(connection, self._hasher, said_no_at, now, channel=channel)

    def _find(self, connection: Connection, rows: Sequence[OptOutRow]) -> None:
        keys = [row.address.key for row in rows]
        for key, suppressed in suppression.find_recognisable(connection, self._hasher, keys).items():
            said_at = self._said_at(key)
            if said_at is None or said_at > suppressed.since:
                self.suppressed[key] = said_at
        for key, status in _statuses(connection, keys, self._topic).items():
            said_at = self._said_at(key)
            ends_consent = status.state in AGREED and (said_at is None or said_at >= status.since)
            dates_later = status.state not in AGREED and said_at is not None and said_at > status.since
            if ends_consent or dates_later:
                self.on_file[key] = OptOut(key, said_at, ends_consent)

    def _said_at(self, key: str) -> datetime | None:
        """When the file's latest row about this address says no; None where that has no date."""
        latest = self._latest.get(self._hasher.newest(key).hash)
        return None if latest in {None, _UNDATED} else _EPOCH + timedelta(microseconds=latest or 0)


def in_batches(every: Iterable[Item]) -> Iterator[list[Item]]:
    """What ends consents or dates suppressions, ENDED_AT_ONCE at a time."""
    remaining = iter(every)
    while some := list(islice(remaining, ENDED_AT_ONCE)):
        yield some


def withdraw_all(
    connection: Connection,
    opt_outs: Sequence[OptOut],
    topic: str,
    source: str,
    now: datetime,
    *,
    channel: Channel = Channel.IMPORT,
) -> int:
    """Record the withdrawals; returns the number of consents that end. Needs a writing transaction."""
    ledger.lock(connection)
    known = people.find_all(connection, [one.address_key for one in opt_outs])
    statuses = ledger.statuses(connection, [person.id for person in known.values()])
    events, ended = [], 0
    for one in opt_outs:
        person = known.get(one.address_key)
        status = statuses.get((person.id, topic)) if person else None
        if person is None or status is None or (one.said_at is not None and one.said_at < status.since):
            continue
        if status.state not in AGREED and (one.said_at is None or one.said_at == status.since):
            continue
        ended += status.state in AGREED
        events.append(NewEvent(person.id, topic, ConsentKind.WITHDRAWN, one.said_at or now, channel))
    ledger.append(connection, ledger.with_shared_note(connection, events, source), now)
    return ended


def _statuses(connection: Connection, keys: Sequence[str], topic: str) -> dict[str, ConsentStatus]:
    known = people.find_all(connection, keys)
    statuses = ledger.statuses(connection, [person.id for person in known.values()])
    found = {key: statuses.get((person.id, topic)) for key, person in known.items()}
    return {key: status for key, status in found.items() if status is not None}


def _instant(moment: datetime | None) -> int:
    """Microseconds since 1970; the largest number for a no without a date."""
    return _UNDATED if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)
