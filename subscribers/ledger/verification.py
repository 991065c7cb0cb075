"""Verify the whole ledger, and what is derived from it."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from itertools import groupby, zip_longest
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Connection, exists, func, select

from mailer.errors import InvalidInput
from mailer.quantity import quantity
from subscribers.address import AddressHasher, HashedAddress, normalise
from subscribers.commitments import commit_to_note, commit_to_subject
from subscribers.ledger.checkpoint import check_signed, signer_of
from subscribers.ledger.consent_table import apply_entry
from subscribers.ledger.events import (
    BrokenEntry,
    ConsentStatus,
    LedgerEntry,
)
from subscribers.ledger.reading import READ_AHEAD, UNREADABLE_ROW_ERRORS, Statuses, entries_by_subscriber
from subscribers.ledger.suppressions import check_suppressions
from subscribers.ledger.tiles import read_stored
from subscribers.ledger.tree import EMPTY, HASH_BYTES, TILE_WIDTH, Frontier, tile_root
from subscribers.ledger.walk import check_wordings, hashes_of_entries
from subscribers.tables import CONSENT, EVENT, NOTE, SUBSCRIBER, TILE

Placed: TypeAlias = tuple[int, dict[str, ConsentStatus]]
"""A subscriber's id, and where they stand by topic."""


_OF_PERSON = [
    SUBSCRIBER.c[name] for name in ("id", "email", "email_normalised", "address_hash", "key_id", "nonce")
]


class Verified(NamedTuple):
    """An intact ledger: how many entries it has, and its root (hex), to be noted elsewhere.

    `signed` entries are covered by the signature, `looked_at` were hashed anew.
    """

    events: int
    head: str
    signed: int
    looked_at: int


def verify(
    connection: Connection, *, noted: str | None = None, hasher: AddressHasher | None = None
) -> Verified:
    """Walk the whole ledger, in constant memory, and compare all that rests on it.

    `noted` is an earlier root that was kept elsewhere: someone who rewrites the whole ledger can't keep it.
    With a `hasher` the keyed hashes of the people on file are made again too. Raises BrokenEntry, which names the
    first entry where something is wrong.
    """
    topic_of_wording = check_wordings(connection)
    frontier, found = EMPTY, noted is None or noted == EMPTY.root.hex()
    tiles = _TileCheck(connection)
    with closing(hashes_of_entries(connection, topic_of_wording)) as walk:
        for hashes in walk:
            tiles.add(hashes)
            if found:
                frontier = frontier.extended_by_tiles(hashes)
                continue
            for one in hashes:
                frontier = frontier.extended((one,))
                found = found or frontier.root.hex() == noted
    if not found:
        raise BrokenEntry(frontier.size, "up to here no root is the one that was noted")
    tiles.check_number()
    _check_checkpoint(connection, frontier)
    signed = check_all_signed(connection)
    _check_consent_table(connection)
    _check_people(connection, hasher)
    _check_notes(connection)
    check_suppressions(connection)
    return Verified(frontier.size, frontier.root.hex(), signed, frontier.size)


class _TileCheck:
    """Compares the hashes of entries, as they are walked, with the stored tiles of all levels."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._levels: list[list[bytes]] = []  # of each level the hashes that fill no tile yet
        self._compared: list[int] = []  # of each level how many tiles

    def add(self, hashes: Iterable[bytes], level: int = 0) -> None:
        """Take the next hashes of a level in."""
        if level == len(self._levels):
            self._levels.append([])
            self._compared.append(0)
        waiting = self._levels[level]
        for one in hashes:
            waiting.append(one)
            if len(waiting) == TILE_WIDTH:
                self._compare(level, waiting)
                self.add((tile_root(b"".join(waiting)),), level + 1)
                waiting.clear()

    def check_number(self) -> None:
        """Raise BrokenEntry where there are more tiles than the ledger fills."""
        stored = self._connection.execute(select(func.count()).select_from(TILE)).scalar_one()
        if stored != sum(self._compared):
            raise BrokenEntry(0, f"its tree has {stored} tiles in place of {sum(self._compared)}")

    def _compare(self, level: int, hashes: Sequence[bytes]) -> None:
        number = self._compared[level]
        self._compared[level] += 1
        wanted = select(TILE.c.hashes).where(TILE.c.level == level, TILE.c.number == number)
        stored = self._connection.execute(wanted).scalar_one_or_none()
        expected = b"".join(hashes)
        if stored == expected:
            return
        width = TILE_WIDTH**level
        first = number * TILE_WIDTH * width + 1
        if not isinstance(stored, bytes):
            raise BrokenEntry(first, "the tile of its hash is missing")
        parts = zip(hashes, range(0, len(expected), HASH_BYTES), strict=True)
        offset = next((n for n, (one, at) in enumerate(parts) if stored[at : at + HASH_BYTES] != one), 0)
        raise BrokenEntry(first + offset * width, "it was written anew; the tree has another hash for it")


def _check_checkpoint(connection: Connection, walked: Frontier) -> None:
    try:
        stored = read_stored(connection).frontier
    except UNREADABLE_ROW_ERRORS as error:
        raise BrokenEntry(walked.size, f"its checkpoint was altered: {error}") from None
    if stored.size > walked.size:
        raise BrokenEntry(
            walked.size + 1, f"it is missing; the checkpoint has {quantity(stored.size, 'entry', 'entries')}"
        )
    if stored.size < walked.size:
        raise BrokenEntry(
            stored.size + 1, f"the checkpoint has only {quantity(stored.size, 'entry', 'entries')}"
        )
    if stored != walked:
        first = walked.size - walked.size % TILE_WIDTH + 1
        raise BrokenEntry(min(first, walked.size), "it, or one after it, does not give the checkpoint's root")


def check_all_signed(connection: Connection) -> int:
    """Compare the ledger with its signed checkpoint; returns how many entries are signed: all, or none without a key.

    Raises BrokenEntry and ConfigurationError like `check_signed`, and BrokenEntry for each entry that is not signed.
    """
    stored = read_stored(connection)
    signed = check_signed(connection, stored)
    signer = signer_of(connection)
    if signed < stored.frontier.size and signer is not None and signer.key is not None:
        raise BrokenEntry(signed + 1, "it was recorded without the key that signs the ledger")
    return signed


def _check_notes(connection: Connection) -> None:
    notes = select(NOTE.c.commitment, NOTE.c.salt, NOTE.c.text).execution_options(yield_per=READ_AHEAD)
    with connection.execute(notes) as rows:
        for commitment, salt, text in rows:
            try:
                intact = commit_to_note(salt, text) == commitment
            except UNREADABLE_ROW_ERRORS:
                intact = False
            if not intact:
                break
        else:
            return
    users = select(func.min(EVENT.c.id)).where(EVENT.c.note == commitment)
    raise BrokenEntry(connection.execute(users).scalar_one() or 0, "its note was altered")


def _check_consent_table(connection: Connection) -> None:
    """Compare the consent table with the status of each person in the ledger."""
    with (
        closing(_statuses_in_ledger(connection)) as ledger_statuses,
        closing(_statuses_in_table(connection)) as table_statuses,
    ):
        for in_ledger, in_table in zip_longest(ledger_statuses, table_statuses):
            if in_ledger != in_table:
                raise _contradiction(*(each for each in (in_ledger, in_table) if each))


def _contradiction(*placed: Placed) -> BrokenEntry:
    person = min(number for number, _ in placed)
    lines = (status.event_id for number, of in placed if number == person for status in of.values())
    return BrokenEntry(
        max(lines), f"the consent table does not agree with the ledger about subscriber {person}"
    )


def _statuses_in_ledger(connection: Connection) -> Generator[Placed]:
    with closing(entries_by_subscriber(connection)) as walk:
        for person, of_person in groupby(walk, key=lambda line: line.event.subscriber_id):
            statuses: Statuses = {}
            for line in _with_one_subject(of_person):
                apply_entry(statuses, line)
            if statuses:
                yield person, {topic: status for (_, topic), status in statuses.items()}


def _with_one_subject(entries: Iterable[LedgerEntry]) -> Generator[LedgerEntry]:
    """The entries of one person, which commit to one address until a correction replaces it."""
    subject = None
    for entry in entries:
        if subject not in {None, entry.event.subject, entry.event.previous}:
            raise BrokenEntry(entry.id, "it commits to another person than the one before")
        subject = entry.event.subject
        yield entry


def _statuses_in_table(connection: Connection) -> Generator[Placed]:
    by_person = select(CONSENT).order_by(CONSENT.c.subscriber_id).execution_options(yield_per=READ_AHEAD)
    person = 0
    try:
        with connection.execute(by_person) as rows:
            for person, of_person in groupby(rows, key=itemgetter(0)):
                yield (
                    person,
                    {
                        topic: ConsentStatus(state, since, event_id)
                        for _, topic, state, since, event_id in of_person
                    },
                )
    except UNREADABLE_ROW_ERRORS:
        head = connection.execute(select(func.max(EVENT.c.id))).scalar_one() or 0
        raise BrokenEntry(
            head, f"the consent table, read up to subscriber {person}, goes on with what can't be read"
        ) from None


def _check_people(connection: Connection, hasher: AddressHasher | None) -> None:
    """Compare each person on file with the commitment in their newest entry.

    One without an entry is what a ledger with its end cut off leaves.
    """
    entry = EVENT.alias()
    newest = select(func.max(EVENT.c.id)).where(EVENT.c.subscriber_id == SUBSCRIBER.c.id).scalar_subquery()
    people = (
        select(*_OF_PERSON, entry.c.id.label("entry_id"), entry.c.subject)
        .select_from(SUBSCRIBER.outerjoin(entry, entry.c.id == newest))
        .order_by(SUBSCRIBER.c.id)
        .execution_options(yield_per=READ_AHEAD)
    )
    with connection.execute(people) as rows:
        for row in rows:
            if row.entry_id is None:
                head = connection.execute(select(func.max(EVENT.c.id))).scalar_one() or 0
                raise BrokenEntry(
                    head + 1, f"it is missing; subscriber {row.id} is on file without any entry"
                )
            if problem := _problem_of_person(row, hasher):
                raise BrokenEntry(
                    row.entry_id, f"{problem} of subscriber {row.id} is not the one it commits to"
                )
    nobody = select(CONSENT.c.event_id, CONSENT.c.subscriber_id).where(
        ~exists().where(SUBSCRIBER.c.id == CONSENT.c.subscriber_id)
    )
    if missing := connection.execute(nobody.limit(1)).first():
        raise BrokenEntry(
            missing.event_id, f"subscriber {missing.subscriber_id} is not on file and was not erased"
        )


def _problem_of_person(row: Any, hasher: AddressHasher | None) -> str | None:
    """What of a person on file does not follow from the address that the newest entry commits to."""
    try:
        key = normalise(row.email).key
        if commit_to_subject(row.nonce, key) != row.subject or row.email_normalised != key:
            return "the address"
        hashed = HashedAddress(row.address_hash, row.key_id)
        return None if hasher is None or hashed in hasher.every(key) else "the keyed hash"
    except (*UNREADABLE_ROW_ERRORS, InvalidInput):
        return "the address"
