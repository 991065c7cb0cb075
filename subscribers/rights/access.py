"""Show and export the data on file about a person (GDPR art. 15 and 20)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, select

from mailer import operator_log
from mailer.errors import NotFound
from mailer.operator_log import OperatorAct
from subscribers import audience, former_people, ledger, pending_requests, people, suppression
from subscribers.address import AddressHasher, EmailAddress
from subscribers.kinds import ConsentKind, SuppressionReason
from subscribers.ledger import CONSENT, READ_AHEAD, WORDING, ConsentStatus, LedgerEntry
from subscribers.people import Person
from subscribers.personal_data import holders_of
from subscribers.rights import holds
from subscribers.rights.holds import Hold
from subscribers.suppression import Suppressed
from subscribers.tables import SUBSCRIBER, SUPPRESSION

WHO_IS_ON_FILE = "`mailer subscribers list` shows who is on file."
KEEP_OPT_OUT = "Keep an opt-out of somebody who is not on file with `mailer subscribers suppress`."


@dataclass(frozen=True, slots=True)
class SubjectRecord:
    """Everything on file about a person: the four fields, the consents by topic, the ledger entries.

    `disclosures` are those to somebody outside, `requests` those that wait for a confirmation, and `elsewhere`
    is what other packages have, by its name. `held` are the holds that keep the data.
    `wordings` holds the verbatim texts that the entries name, by SHA-256, and `wording_names` that SHA-256 by
    commitment; `notes` holds the notes by commitment.
    """

    person: Person
    statuses: dict[str, ConsentStatus]
    suppressed: Suppressed | None
    history: list[LedgerEntry]
    wordings: dict[str, str]
    wording_names: dict[str, str]
    notes: dict[str, str]
    disclosures: list[OperatorAct]
    requests: list[dict[str, Any]]
    elsewhere: dict[str, list[dict[str, Any]]]
    held: list[Hold]


@dataclass(frozen=True, slots=True)
class ListedPerson:
    """A person and their consent to a topic. `mailable` is the result of the gate's predicate."""

    person: Person
    state: ConsentKind | None
    since: datetime | None
    mailable: bool


def list_people(
    connection: Connection, topic: str, state: ConsentKind | None = None, *, suppressed: bool = False
) -> Generator[ListedPerson]:
    """The people on file in the order of their ids: all, those in one state, or those `suppressed`. Rows are
    streamed.
    """
    on_topic = and_(CONSENT.c.subscriber_id == SUBSCRIBER.c.id, CONSENT.c.topic == topic)
    mailable = audience.consented(topic, SUBSCRIBER.c.id).label("mailable")
    statement = (
        select(SUBSCRIBER, CONSENT.c.state, CONSENT.c.since, mailable)
        .select_from(SUBSCRIBER.outerjoin(CONSENT, on_topic))
        .order_by(SUBSCRIBER.c.id)
        .execution_options(yield_per=READ_AHEAD)
    )
    if state is not None:
        statement = statement.where(CONSENT.c.state == state)
    if suppressed:
        statement = statement.where(SUBSCRIBER.c.address_hash.in_(select(SUPPRESSION.c.address_hash)))
    with connection.execute(statement) as rows:
        for row in rows:
            yield ListedPerson(people.person_from_row(row), row.state, row.since, bool(row.mailable))


def find(
    connection: Connection, address: EmailAddress, hasher: AddressHasher, *, hint: str = WHO_IS_ON_FILE
) -> Person:
    """The person with this address. Raises NotFound, which says whether the address was erased or is suppressed.

    Where nothing is known of the address, the error has this `hint`.
    """
    person = people.find(connection, address)
    if person is not None:
        return person
    if former := former_people.find(connection, address, hasher):
        raise NotFound(
            f"Nobody with this address is on file: they left on {former[0].created_at:%Y-%m-%d}, and their data "
            "were deleted. A keyed hash of the address is left, and what proves their consent.",
            hint="`mailer consent prove` shows the proof, `mailer subscribers erase` deletes it.",
        )
    suppressed = suppression.find_recognisable(connection, hasher, [address.key]).get(address.key)
    if suppressed is not None and suppressed.reason is SuppressionReason.ERASED:
        raise NotFound(
            "Nobody with this address is on file: it was erased, or changed for another, on or before "
            f"{suppressed.since:%Y-%m-%d}; only a keyed hash of it is left."
        )
    if suppressed is not None:
        raise NotFound(
            f"Nobody with this address is on file. It is suppressed ({suppressed.reason}) since "
            f"{suppressed.since:%Y-%m-%d}{_because(suppressed)}; only a keyed hash of it is kept.",
            hint="`mailer subscribers lift` takes a suppression back.",
        )
    raise NotFound("Nobody with this address is on file.", hint=hint)


def _because(suppressed: Suppressed) -> str:
    return f', because of "{suppressed.source}"' if suppressed.source else ""


def look_up(connection: Connection, address: EmailAddress, hasher: AddressHasher) -> SubjectRecord:
    """Everything on file about the person with this address. Raises NotFound."""
    person = find(connection, address, hasher)
    statuses = ledger.statuses(connection, [person.id])
    suppressed = suppression.find_recognisable(connection, hasher, [person.email_normalised]).get(
        person.email_normalised
    )
    history = ledger.history(connection, person.id)
    named = {entry.event.wording for entry in history} - {None}
    shown = select(WORDING.c.commitment, WORDING.c.sha256, WORDING.c.text)
    wordings = connection.execute(shown.where(WORDING.c.commitment.in_(named))).all()
    return SubjectRecord(
        person,
        {topic: status for (_, topic), status in statuses.items()},
        suppressed,
        history,
        {row.sha256: row.text for row in wordings},
        {row.commitment: row.sha256 for row in wordings},
        ledger.notes_of(connection, history),
        operator_log.disclosures_of(connection, person.id),
        pending_requests.of_person(connection, person.id, person.email_normalised),
        {holder.name: holder.find(connection, person.id) for holder in holders_of(connection)},
        holds.of_people(connection, [person.id]),
    )


def export_values(record: SubjectRecord) -> dict[str, Any]:
    """A person's data as plain values with readable names (articles 15 and 20)."""
    return {
        **record.person.names._asdict(),
        "email": record.person.email,
        "on_file_since": record.person.created_at,
        "consents": [
            {"topic": topic, "state": status.state.value, "since": status.since}
            for topic, status in record.statuses.items()
        ],
        "suppressed": _suppression_values(record.suppressed) if record.suppressed else None,
        "events": [entry_values(entry, record) for entry in record.history],
        "wordings": record.wordings,
        "disclosures": [
            {"at": act.at, "to": act.disclosed_to, "ground": act.ground} for act in record.disclosures
        ],
        "requests": record.requests,
        "holds": [hold.values() for hold in record.held],
        **record.elsewhere,
    }


def _suppression_values(suppressed: Suppressed) -> dict[str, Any]:
    return {
        "reason": suppressed.reason.value,
        "since": suppressed.since,
        "source": suppressed.source or None,
    }


def entry_values(entry: LedgerEntry, record: SubjectRecord) -> dict[str, Any]:
    """An entry of the ledger as plain values."""
    event = entry.event
    return {
        "line": entry.id,
        "kind": event.kind.value,
        "topic": event.topic,
        "occurred_at": event.occurred_at,
        "recorded_at": entry.recorded_at,
        "channel": event.channel.value,
        "source": record.notes.get(event.note or ""),
        "wording_sha256": record.wording_names.get(event.wording or ""),
        "hash": entry.hash,
    }
