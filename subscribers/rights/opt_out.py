"""Suppress addresses, of people on file or not, and lift a suppression."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from mailer.errors import NotFound
from subscribers import ledger, people, suppression
from subscribers.address import AddressHasher, EmailAddress
from subscribers.kinds import AGREED, Channel, ConsentKind, SuppressionReason
from subscribers.ledger import NewEvent
from subscribers.suppression import NewSuppression


class Suppressions(NamedTuple):
    """The number of suppressed addresses, and of consents withdrawn with them."""

    suppressed: int
    withdrawn: int


def count_agreed(connection: Connection, addresses: Sequence[EmailAddress]) -> int:
    """The number of these people who are on file with a consent."""
    known = people.find_all(connection, [address.key for address in addresses])
    statuses = ledger.statuses(connection, [person.id for person in known.values()])
    return len({person_id for (person_id, _), status in statuses.items() if status.state in AGREED})


def suppress_all(
    connection: Connection,
    addresses: Sequence[EmailAddress],
    *,
    hasher: AddressHasher,
    source: str,
    now: datetime,
) -> Suppressions:
    """Suppress these addresses. Needs a writing transaction.

    It also withdraws all consents of people on file. `source` says why. A suppression is never dated before a
    consent that it withdraws, even if the clock is wrong.
    """
    ledger.lock(connection)
    known = people.find_all(connection, [address.key for address in addresses])
    statuses = ledger.statuses(connection, [person.id for person in known.values()])
    since = {
        address.key: ledger.latest_moment(connection, [person.id], now)
        for address in addresses
        if (person := known.get(address.key)) is not None
    }
    events = [
        NewEvent(person_id, topic, ConsentKind.WITHDRAWN, now, Channel.COMMAND)
        for (person_id, topic), status in statuses.items()
        if status.state in AGREED
    ]
    ledger.append(connection, ledger.with_shared_note(connection, events, source), now)
    standing = suppression.find_recognisable(connection, hasher, [address.key for address in addresses])
    suppressions = []
    for address in addresses:
        person, before = known.get(address.key), standing.get(address.key)
        if person is not None:
            hashed = person.hashed
        else:
            hashed = before.hashed if before else hasher.newest(address.key)
        suppressions.append(NewSuppression(hashed, SuppressionReason.OPTED_OUT, since.get(address.key, now)))
    suppression.add_all(connection, suppressions, now, channel=Channel.COMMAND, source=source)
    return Suppressions(len(addresses) - len(standing), len(events))


def lift(
    connection: Connection, address: EmailAddress, *, hasher: AddressHasher, source: str, now: datetime
) -> None:
    """Lift the suppression of an address; `source` says why. Consents do not change. Raises NotFound."""
    found = suppression.find(connection, hasher, [address.key]).get(address.key)
    if found is None:
        raise NotFound("This address is not suppressed.")
    suppression.lift(connection, found.hashes, now, channel=Channel.COMMAND)
    suppression.record_lift(connection, found, source, now)
