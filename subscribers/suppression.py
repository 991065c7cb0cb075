"""Suppressed addresses, stored as keyed hashes only. They get no mail, and imports do not add them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, insert, select, update

from mailer.database import AnyOf, Prepared, table, upsert
from mailer.errors import ConfigurationError
from subscribers.address import AddressHasher, HashedAddress
from subscribers.leaver import Leaver, LeaverKind, note_leaver
from subscribers.models import Suppression, SuppressionLift, SuppressionReason

SUPPRESSION = Suppression.metadata.tables["suppression"]


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A suppression of an address: since when, why, and its keyed hashes.

    `hashed` is one of them: an address that comes back keeps it, so that links in mails of before still lead
    to it.
    """

    since: datetime
    reason: SuppressionReason
    hashes: tuple[str, ...]
    hashed: HashedAddress


def add(
    connection: Connection,
    hashed: HashedAddress,
    reason: SuppressionReason,
    since: datetime,
    *,
    source: str = "",
) -> None:
    """Suppress an address from `since` on. If it is suppressed already, the later date and its reason remain."""
    row = {
        "address_hash": hashed.hash,
        "key_id": hashed.key_id,
        "reason": reason,
        "since": since,
        "source": source,
    }
    upsert(connection, SUPPRESSION, row, newest_by="since")
    kind = LeaverKind.BOUNCED if reason is SuppressionReason.BOUNCED else LeaverKind.SUPPRESSED
    note_leaver(connection, Leaver(*hashed, "*", kind, since))


def date_later(connection: Connection, hasher: AddressHasher, said_no_at: Mapping[str, datetime]) -> int:
    """Date suppressions no earlier than when the person said no again; returns how many were dated later.

    `said_no_at` goes by address key; an address that is not suppressed stays so. A consent that is older than the
    newest no then brings nobody back.
    """
    dated = 0
    for key, suppressed in find_recognisable(connection, hasher, said_no_at).items():
        at = said_no_at[key]
        if suppressed.since < at:
            of_address = SUPPRESSION.c.address_hash == suppressed.hashed.hash
            connection.execute(update(SUPPRESSION).where(of_address).values(since=at))
            note_leaver(connection, Leaver(*suppressed.hashed, "*", LeaverKind.SUPPRESSED, at))
            dated += 1
    return dated


def lift(connection: Connection, hashes: Collection[str]) -> None:
    """Delete the suppressions with these hashes, because the person has consented again."""
    if hashes:
        connection.execute(delete(SUPPRESSION).where(AnyOf(SUPPRESSION.c.address_hash, hashes)))


def record_lift(connection: Connection, lifted: Suppressed, source: str, now: datetime) -> None:
    """Record that an operator lifted a suppression, and why, without the address."""
    row = {"reason": lifted.reason, "since": lifted.since, "lifted_at": now, "source": source}
    connection.execute(insert(table(SuppressionLift)), row)


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
    return Suppressed(latest.since, latest.reason, tuple(row.address_hash for row in rows), hashed)
