"""Suppressed addresses, stored as keyed hashes only. They get no mail, and imports do not add them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, exists, insert, select

from mailer.database import AnyOf, Prepared, upsert
from mailer.errors import ConfigurationError
from subscribers import ledger
from subscribers.address import AddressHasher, HashedAddress
from subscribers.kinds import Channel, ConsentKind, SuppressionReason
from subscribers.leaver import Leaver, LeaverKind, note_leaver
from subscribers.ledger import EVERY_TOPIC, NewEvent, commit_to_suppressed, fresh_nonce
from subscribers.tables import LIFT, SUPPRESSION


class Suppressed(NamedTuple):
    """A suppression of an address: since when, why, and its keyed hashes.

    `hashed` is one of them: an address that comes back keeps it, so that links in mails of before still lead
    to it.
    """

    since: datetime
    reason: SuppressionReason
    hashes: tuple[str, ...]
    hashed: HashedAddress
    source: str


# Whoever objected or complained is not even asked whether they want mail again (GDPR art. 21(3)).
NEVER_ASKED_AGAIN = frozenset({SuppressionReason.OBJECTED, SuppressionReason.COMPLAINED})


class NewSuppression(NamedTuple):
    """An address to suppress, why, and since when."""

    hashed: HashedAddress
    reason: SuppressionReason
    since: datetime


def add(
    connection: Connection,
    hashed: HashedAddress,
    reason: SuppressionReason,
    since: datetime,
    now: datetime,
    *,
    channel: Channel,
    source: str = "",
) -> None:
    """Suppress an address from `since` on; see `add_all`."""
    add_all(connection, [NewSuppression(hashed, reason, since)], now, channel=channel, source=source)


def add_all(
    connection: Connection,
    suppressions: Sequence[NewSuppression],
    now: datetime,
    *,
    channel: Channel,
    source: str = "",
) -> None:
    """Suppress addresses, each with an entry in the ledger. Needs a writing transaction, which waits for the ledger.

    If an address is suppressed already, the later date and its reason remain. An objection and a complaint stay the
    reason, whatever follows. A damaged ledger does not prevent it.
    """
    ledger.lock(connection)
    before = {row.address_hash: row for row in _rows(connection, [each.hashed.hash for each in suppressions])}
    rows = []
    for each in suppressions:
        standing = before.get(each.hashed.hash)
        if standing is None or standing.since < each.since:
            row = each._asdict() | {"salt": standing.salt if standing is not None else fresh_nonce()}
            if standing is not None and standing.reason in NEVER_ASKED_AGAIN:
                row["reason"] = standing.reason
            rows.append(row)
    subjects = [commit_to_suppressed(row["salt"], row["hashed"].hash) for row in rows]
    first_entry_id = _append(
        connection,
        [
            NewEvent(None, EVERY_TOPIC, ConsentKind.SUPPRESSED, row["since"], channel, subject=subject)
            for row, subject in zip(rows, subjects, strict=True)
        ],
        now,
    )
    for offset, row in enumerate(rows):
        hashed = row.pop("hashed")
        entry_id = first_entry_id and first_entry_id + offset
        row |= {"address_hash": hashed.hash, "key_id": hashed.key_id, "source": source, "entry_id": entry_id}
    if rows:
        ledger.wait_for_gates(connection)
    upsert(connection, SUPPRESSION, rows, newest_by="since")
    for each in suppressions:
        bounced = each.reason is SuppressionReason.BOUNCED
        kind = LeaverKind.BOUNCED if bounced else LeaverKind.SUPPRESSED
        note_leaver(connection, Leaver(*each.hashed, EVERY_TOPIC, kind, each.since))


def _append(connection: Connection, events: Sequence[NewEvent], now: datetime) -> int | None:
    """Append `events`; returns the first entry's number, or None where the ledger is too damaged to take them."""
    try:
        with connection.begin_nested():
            return ledger.append(connection, events, now).first_entry_id
    except ledger.DAMAGE_ERRORS:
        return None


def _rows(connection: Connection, hashes: Collection[str]) -> Sequence[Row[Any]]:
    return connection.execute(select(SUPPRESSION).where(AnyOf(SUPPRESSION.c.address_hash, hashes))).all()


def date_later(
    connection: Connection,
    hasher: AddressHasher,
    said_no_at: Mapping[str, datetime],
    now: datetime,
    *,
    channel: Channel,
) -> int:
    """Date suppressions no earlier than when the person said no again; returns how many were dated later.

    `said_no_at` goes by address key; an address that is not suppressed stays so. A consent that is older than the
    newest no then brings nobody back.
    """
    later = defaultdict(list)
    for key, suppressed in find_recognisable(connection, hasher, said_no_at).items():
        if suppressed.since < (at := said_no_at[key]):
            later[suppressed.source].append(NewSuppression(suppressed.hashed, suppressed.reason, at))
    for source, suppressions in later.items():
        add_all(connection, suppressions, now, channel=channel, source=source)
    return sum(map(len, later.values()))


def lift(connection: Connection, hashes: Collection[str], now: datetime, *, channel: Channel) -> None:
    """Delete the suppressions with these hashes, because the person has consented again, or an operator says so.

    The ledger gets an entry for each. Raises BrokenEntry where the ledger was tampered with.
    """
    if not hashes:
        return
    ledger.lock(connection)
    lifted = [
        NewEvent(
            None,
            EVERY_TOPIC,
            ConsentKind.LIFTED,
            now,
            channel,
            subject=commit_to_suppressed(row.salt, row.address_hash),
        )
        for row in _rows(connection, hashes)
        if row.entry_id is not None
    ]
    ledger.append(connection, lifted, now)
    connection.execute(delete(SUPPRESSION).where(AnyOf(SUPPRESSION.c.address_hash, hashes)))


def record_lift(connection: Connection, lifted: Suppressed, source: str, now: datetime) -> None:
    """Record that an operator lifted a suppression, and why, without the address."""
    row = {"reason": lifted.reason, "since": lifted.since, "lifted_at": now, "source": source}
    connection.execute(insert(LIFT), row)


def since_by_hash(connection: Connection, address_hash: str) -> datetime | None:
    """The start of the suppression of the address with this hash; None if it is not suppressed."""
    found = select(SUPPRESSION.c.since).where(SUPPRESSION.c.address_hash == address_hash)
    since: datetime | None = connection.execute(found).scalar_one_or_none()
    return since


def find(
    connection: Connection, hasher: AddressHasher, address_keys: Collection[str]
) -> dict[str, Suppressed]:
    """Which of these addresses are suppressed, by address key, under whichever secret key that was done.

    Raises ConfigurationError where a suppression was made with a key that is no longer in the settings:
    nobody can tell then whose it is, so nobody may be added.
    """
    [(are_any,)] = _ARE_ANY.rows(connection, {})
    if not are_any:
        return {}
    _check_keys(connection, hasher)
    return _find(connection, hasher, address_keys)


_ARE_ANY = Prepared(select(exists(select(SUPPRESSION))))


def find_recognisable(
    connection: Connection, hasher: AddressHasher, address_keys: Collection[str]
) -> dict[str, Suppressed]:
    """Like `find`, but without those that only a former key can recognise: to show, not to decide who is
    added.
    """
    return _find(connection, hasher, address_keys)


def _find(
    connection: Connection, hasher: AddressHasher, address_keys: Collection[str]
) -> dict[str, Suppressed]:
    key_of = {hashed.hash: key for key in address_keys for hashed in hasher.every(key)}
    rows = defaultdict(list)
    for row in connection.execute(select(SUPPRESSION).where(AnyOf(SUPPRESSION.c.address_hash, key_of))):
        rows[key_of[row.address_hash]].append(row)
    return {email_normalised: _latest(of_address) for email_normalised, of_address in rows.items()}


def _check_keys(connection: Connection, hasher: AddressHasher) -> None:
    used = set(connection.execute(select(SUPPRESSION.c.key_id).distinct()).scalars())
    if unknown := used - hasher.key_ids:
        raise ConfigurationError(
            f"There are suppressed addresses that only a former secret key can recognise ({', '.join(sorted(unknown))}).",
            hint="Put that key back into secret_keys, before the newest. Nobody is added until then.",
        )


def _latest(rows: Sequence[Row[Any]]) -> Suppressed:
    latest = max(rows, key=lambda row: row.since)
    hashed = HashedAddress(latest.address_hash, latest.key_id)
    return Suppressed(
        latest.since, latest.reason, tuple(row.address_hash for row in rows), hashed, latest.source
    )
