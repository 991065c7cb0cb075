"""Carry out a request that its person has confirmed: a new address, or a consent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from sqlalchemy import Connection

from mailer.errors import Refused
from subscribers import ledger, pending_requests, people, rights
from subscribers.address import AddressHasher, normalise
from subscribers.intake import Applicant, Decision, Evidence, admit
from subscribers.kinds import Channel
from subscribers.pending_requests import LinkTarget, RequestKind, StoredRequest
from subscribers.people import Names, Person
from subscribers.rights import Correction

CONFIRMED_KINDS = frozenset({RequestKind.NEW_ADDRESS, RequestKind.TOPIC, RequestKind.SIGN_UP})
"""The kinds that are confirmed here."""


class ConfirmationResult(Enum):
    """What became of a request."""

    DONE = auto()
    OVER = auto()  # it was spent, expired or objected to, or its person is gone
    ADDRESS_TAKEN = auto()  # the new address is on file or suppressed


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The result, and the request. `former` has data that are to be made unreadable on disk."""

    result: ConfirmationResult
    request: StoredRequest | None = None
    former: tuple[str, str] | None = None


def confirm(connection: Connection, target: LinkTarget, hasher: AddressHasher, now: datetime) -> Confirmation:
    """Spend the request of a link and carry it out. Needs a writing transaction."""
    ledger.lock(connection)  # first, as an erasure does: each would wait for the other's rows otherwise
    request = pending_requests.find_linked(connection, target, now)
    if request is None or not pending_requests.spend(connection, request.id, now):
        return Confirmation(ConfirmationResult.OVER)
    if request.kind is RequestKind.SIGN_UP:
        address = normalise(request.stated.email)
        applicant = Applicant(0, request.stated.names, address, hasher.newest(address.key), now)
        return _admit(connection, request, applicant, Channel.SIGN_UP, hasher)
    person = people.get(connection, request.subscriber_id) if request.subscriber_id is not None else None
    if person is None:
        return Confirmation(ConfirmationResult.OVER)
    if request.kind is RequestKind.NEW_ADDRESS:
        return _change_address(connection, request, person, hasher, now)
    applicant = Applicant(0, Names(), person.address, person.hashed, now)
    return _admit(connection, request, applicant, Channel.PAGE, hasher)


def _admit(
    connection: Connection,
    request: StoredRequest,
    applicant: Applicant,
    channel: Channel,
    hasher: AddressHasher,
) -> Confirmation:
    """Record the consent. It is given now: by the confirmation, not by the request.

    An objection after the request ends the request, and so does a withdrawal that is not earlier than the
    confirmation (two machines' clocks may differ).
    """
    objected = pending_requests.objected_at(connection, applicant.address.key, request.topic, hasher)
    if objected is not None and objected >= request.requested_at:
        return Confirmation(ConfirmationResult.OVER)
    asked = f"{request.requested_at:%Y-%m-%d %H:%M} UTC"
    evidence = Evidence(
        request.topic,
        f"asked on a page at {asked}, confirmed by the link in a mail to the address",
        request.wording or "",
        request.locale,
        channel=channel,
    )
    [candidate] = admit(connection, [applicant], evidence, hasher, applicant.consented_at)
    if candidate.decision not in {Decision.GRANTED, Decision.UNCHANGED}:
        return Confirmation(ConfirmationResult.OVER)
    return Confirmation(ConfirmationResult.DONE, request)


def _change_address(
    connection: Connection, request: StoredRequest, person: Person, hasher: AddressHasher, now: datetime
) -> Confirmation:
    try:
        rights.rectify(
            connection,
            person.address,
            Correction(email=normalise(request.stated.email)),
            hasher=hasher,
            source="confirmed by the link in a mail to the new address",
            now=now,
            channel=Channel.PAGE,
        )
    except Refused:
        return Confirmation(ConfirmationResult.ADDRESS_TAKEN, request)
    return Confirmation(ConfirmationResult.DONE, request, (person.email, person.email_normalised))
