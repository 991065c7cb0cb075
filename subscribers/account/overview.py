"""The consents of a person, for the API."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from subscribers import ledger, people, suppression
from subscribers.account.requests import Outcome, Who, problem
from subscribers.address import AddressHasher
from subscribers.people import Person
from subscribers.public_ids import PublicIds


def find_person(connection: Connection, who: Who) -> Person | None:
    """The person on file."""
    return people.get(connection, who) if isinstance(who, int) else people.find(connection, who)


def not_on_file(who: Who) -> Outcome:
    """The answer for a person who is not on file."""
    field = "subscriber" if isinstance(who, int) else "email"
    return problem(404, "not-on-file", "Nobody with this id or address is on file.", field=field)


def consents_of(connection: Connection, who: Who, hasher: AddressHasher, public_ids: PublicIds) -> Outcome:
    """The consents of a person by topic. A suppressed address gets no mail, although consents are granted."""
    person = find_person(connection, who)
    if person is None:
        return not_on_file(who)
    statuses = ledger.statuses(connection, [person.id])
    key = person.email_normalised
    suppressed = suppression.find_recognisable(connection, hasher, [key]).get(key)
    consents: list[dict[str, Any]] = [
        {
            "topic": topic,
            "state": status.state.value,
            "since": status.since.isoformat(),
            "entry": status.event_id,
        }
        for (_, topic), status in sorted(statuses.items())
    ]
    values = {
        "subscriber": public_ids.of_subscriber(person.id),
        "consents": consents,
        "suppressed_since": suppressed.since.isoformat() if suppressed else None,
    }
    return Outcome(200, values)
