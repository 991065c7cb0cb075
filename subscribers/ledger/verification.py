"""Verify the whole ledger, and what is derived from it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby, zip_longest
from operator import itemgetter
from typing import TypeAlias

from sqlalchemy import Connection, exists, func, select

from subscribers.ledger.events import (
    GENESIS,
    BrokenLink,
    ConsentStatus,
    check_chain,
)
from subscribers.ledger.ledger import (
    CONSENT,
    EVENT,
    READ_AHEAD,
    SUBSCRIBER,
    UNREADABLE_ROW_ERRORS,
    WORDING,
    Statuses,
    apply_entry,
    entries,
    entries_by_subscriber,
    wording_hash,
)

Placed: TypeAlias = tuple[int, dict[str, ConsentStatus]]
"""A subscriber's id, and where they stand by topic."""


@dataclass(frozen=True, slots=True)
class Verified:
    """An intact ledger: how many events it holds, and the hash of the last one, to be noted elsewhere."""

    events: int
    head: str


def verify(connection: Connection, *, noted: str | None = None) -> Verified:
    """Walk the whole ledger, in constant memory, and compare all that rests on it.

    `noted` is the hash of an earlier head that was kept elsewhere: someone who rewrites the whole ledger can't
    keep it. Raises BrokenLink, which names the first line where something is wrong.
    """
    head, found = None, noted is None
    with closing(entries(connection)) as walk:
        for head in check_chain(walk):
            found = found or head.hash == noted
    if not found:
        raise BrokenLink(head.id if head else 0, "up to here no line has the hash that was noted")
    _check_wordings(connection)
    _check_standings(connection)
    _check_people(connection)
    return Verified(head.id, head.hash) if head else Verified(0, GENESIS)


def _check_wordings(connection: Connection) -> None:
    for name, wording in connection.execute(select(WORDING.c.sha256, WORDING.c.text)):
        if wording_hash(wording) != name:
            users = select(func.min(EVENT.c.id)).where(EVENT.c.wording_sha256 == name)
            raise BrokenLink(connection.execute(users).scalar_one() or 0, "its wording was altered")
    kept = exists().where(WORDING.c.sha256 == EVENT.c.wording_sha256)
    without_wording = select(func.min(EVENT.c.id)).where(EVENT.c.wording_sha256.is_not(None), ~kept)
    if line_id := connection.execute(without_wording).scalar_one():
        raise BrokenLink(line_id, "its wording is missing")


def _check_standings(connection: Connection) -> None:
    """Compare, person by person, where the ledger puts them with where the consent table does."""
    with (
        closing(_statuses_in_ledger(connection)) as told_by_ledger,
        closing(_statuses_in_table(connection)) as kept_in_table,
    ):
        for told, kept in zip_longest(told_by_ledger, kept_in_table):
            if told != kept:
                raise _contradiction(*(each for each in (told, kept) if each))


def _contradiction(*placed: Placed) -> BrokenLink:
    person = min(number for number, _ in placed)
    lines = (status.event_id for number, of in placed if number == person for status in of.values())
    return BrokenLink(
        max(lines), f"the consent table does not agree with the ledger about subscriber {person}"
    )


def _statuses_in_ledger(connection: Connection) -> Generator[Placed]:
    with closing(entries_by_subscriber(connection)) as walk:
        for person, of_person in groupby(walk, key=lambda line: line.event.subscriber_id):
            statuses: Statuses = {}
            for line in of_person:
                apply_entry(statuses, line)
            if statuses:
                yield person, {topic: status for (_, topic), status in statuses.items()}


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
        raise BrokenLink(
            head, f"the consent table, read up to subscriber {person}, goes on with what can't be read"
        ) from None


def _check_people(connection: Connection) -> None:
    """Everyone on file came in with an event; one without is what a ledger with its end cut off leaves."""
    event = EVENT.alias()
    without_entry = ~exists().where(event.c.subscriber_id == SUBSCRIBER.c.id)
    person = connection.execute(select(func.min(SUBSCRIBER.c.id)).where(without_entry)).scalar_one()
    if person is not None:
        head = connection.execute(select(func.max(EVENT.c.id))).scalar_one() or 0
        raise BrokenLink(head + 1, f"it is missing; subscriber {person} is on file without any line")
