"""Correct the data on file about a person (GDPR art. 16)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from mailer.errors import Refused
from subscribers import ledger, pending_requests, people, suppression
from subscribers.address import AddressHasher, EmailAddress
from subscribers.kinds import Channel, ConsentKind, SuppressionReason
from subscribers.ledger import EVERY_TOPIC, BrokenEntry, NewEvent, rectification_note
from subscribers.people import Names, Person
from subscribers.rights.access import find


@dataclass(frozen=True, slots=True)
class Correction:
    """New values of the four fields. None changes nothing; an empty name removes the name."""

    salutation: str | None = None
    first_name: str | None = None
    surname: str | None = None
    email: EmailAddress | None = None


def rectify(
    connection: Connection,
    address: EmailAddress,
    correction: Correction,
    *,
    hasher: AddressHasher,
    source: str,
    now: datetime,
    channel: Channel = Channel.COMMAND,
) -> list[str]:
    """Correct some of the four fields; returns the changed fields. Consents and their proofs do not change.

    The event names the fields, never their values. A former address is suppressed, and the
    open links in mails to the person end with a change of address. Raises NotFound, and
    Refused if the new address belongs to another person or is suppressed.
    """
    ledger.lock(connection)
    person = find(connection, address, hasher)
    wanted = {field: getattr(correction, field) for field in Names._fields}
    names = person.names._replace(**{field: value for field, value in wanted.items() if value is not None})
    changed = person.names.changed(names)
    _check_commitment(connection, person)
    subject = previous = None
    if changed:
        people.change_names(connection, {person.id: names})
    if correction.email is not None and correction.email.spelling != person.email:
        changed.append("email")
        subject, previous = _readdress(connection, person, correction.email, hasher, now, channel=channel)
        # Whoever reads the former mailbox, or one that was mistyped earlier, may have their links.
        pending_requests.close(connection, person.id, now)
    if changed:
        note = ledger.store_note(connection, rectification_note(changed, source), person.id)
        event = NewEvent(
            person.id,
            EVERY_TOPIC,
            ConsentKind.RECTIFIED,
            now,
            channel,
            note=note,
            subject=subject,
            previous=previous,
        )
        ledger.append(connection, [event], now)
    return changed


def _readdress(
    connection: Connection,
    person: Person,
    address: EmailAddress,
    hasher: AddressHasher,
    now: datetime,
    *,
    channel: Channel,
) -> tuple[str | None, str | None]:
    """Change the address; returns the commitments to the new and the former address; None for another
    spelling of it.
    """
    if address.key == person.email_normalised:
        # Another spelling of the same address keeps the hash by which a suppression may know it.
        people.change_address(connection, person.id, address, person.hashed, person.nonce)
        return None, None
    previous = ledger.commit_to_subject(person.nonce, person.email_normalised)
    if people.find(connection, address) is not None:
        raise Refused("The new address is on file already, as another person.", hint="Erase one of the two.")
    since = ledger.latest_moment(connection, [person.id], now)
    if suppression.find(connection, hasher, [address.key]):
        raise Refused(
            "The new address is suppressed: it was erased, it bounced, or its owner objected.",
            hint="Record the person's new consent with `mailer consent grant`.",
        )
    nonce, hashed = ledger.fresh_nonce(), hasher.newest(address.key)
    people.change_address(connection, person.id, address, hashed, nonce)
    standing = suppression.find(connection, hasher, [person.email_normalised]).get(person.email_normalised)
    if standing is not None and standing.reason in suppression.NEVER_ASKED_AGAIN:
        # An objection is the person's, not the address's: no older consent brings them back under the new one.
        suppression.add(connection, hashed, standing.reason, standing.since, now, channel=channel)
    # Otherwise the old file, imported again, would put the old address on file as somebody new.
    suppression.add(connection, person.hashed, SuppressionReason.ERASED, since, now, channel=channel)
    return ledger.commit_to_subject(nonce, address.key), previous


def _check_commitment(connection: Connection, person: Person) -> None:
    """Raise BrokenEntry if the person's newest entry commits to another address, because a correction would
    hide that.
    """
    history = ledger.history(connection, person.id)
    on_file = ledger.commit_to_subject(person.nonce, person.email_normalised)
    if not history or history[-1].event.subject != on_file:
        entry_id = history[-1].id if history else 0
        raise BrokenEntry(entry_id, f"the address of subscriber {person.id} is not the one it commits to")
