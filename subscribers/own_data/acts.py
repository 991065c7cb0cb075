"""Carry out what a person asks on the page with their own data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, assert_never

from sqlalchemy import Connection

from mailer.errors import InvalidInput
from subscribers import pending_requests, rights, service_mails
from subscribers.address import AddressHasher, normalise
from subscribers.kinds import Channel
from subscribers.own_data.forms import Act
from subscribers.pending_requests import RequestedPerson, RequestKind
from subscribers.people import Names, Person, parse_name
from subscribers.rights import Correction
from templates.language import Locale
from templates.service_mail import ServiceMailKind

SOURCE = "the page with one's own data"
NEW_ADDRESSES_A_DAY = 3
_NAMES_ALONE = ("", "")  # the address stays, so the file need not be searched for it


class Notice(StrEnum):
    """What the page says about the act."""

    NAMES_SAVED = "names_saved"
    UNCHANGED = "unchanged"
    BAD_NAME = "bad_name"
    ADDRESS_ASKED = "address_asked"
    BAD_ADDRESS = "bad_address"
    TOO_MANY = "too_many"
    OBJECTED = "objected"
    NOT_CHECKED = "not_checked"
    ERASED = "erased"
    HELD = "held"


class Performed(NamedTuple):
    """An act that was carried out. `former` is for `rights.erase_on_disk`."""

    notice: Notice
    former: Person | tuple[str, str] | None = None


def perform(
    connection: Connection,
    act: Act,
    person: Person,
    fields: Mapping[str, str],
    *,
    hasher: AddressHasher,
    locale: Locale,
    now: datetime,
) -> Performed:
    """Carry out `act` with the fields of its form. An export changes nothing. Needs the ledger's lock,
    taken before `person` was read.
    """
    match act:
        case Act.NAMES:
            return _correct_names(connection, person, fields, hasher, now)
        case Act.ADDRESS:
            return _ask_new_address(connection, person, fields.get("email", ""), locale, now)
        case Act.OBJECT:
            rights.object_to_mail(connection, person, source=SOURCE, now=now, channel=Channel.PAGE)
            return Performed(Notice.OBJECTED)
        case Act.ERASE:
            if fields.get("sure") != "yes":
                return Performed(Notice.NOT_CHECKED)
            address = person.address
            held = rights.erase(
                connection, address, hasher=hasher, source=SOURCE, now=now, channel=Channel.PAGE
            )
            return Performed(Notice.HELD) if held else Performed(Notice.ERASED, person)
        case Act.EXPORT:
            return Performed(Notice.UNCHANGED)
        case _:
            assert_never(act)


def _correct_names(
    connection: Connection, person: Person, fields: Mapping[str, str], hasher: AddressHasher, now: datetime
) -> Performed:
    try:
        names = {field: parse_name(fields[field]) for field in Names._fields if field in fields}
    except InvalidInput:
        return Performed(Notice.BAD_NAME)
    changed = rights.rectify(
        connection,
        person.address,
        Correction(names.get("salutation"), names.get("first_name"), names.get("surname")),
        hasher=hasher,
        source=SOURCE,
        now=now,
        channel=Channel.PAGE,
    )
    return Performed(Notice.NAMES_SAVED, _NAMES_ALONE) if changed else Performed(Notice.UNCHANGED)


def _ask_new_address(
    connection: Connection, person: Person, raw: str, locale: Locale, now: datetime
) -> Performed:
    """Let the owner of a new address confirm it, and tell the present address first.

    The answer is the same whether or not the new address is on file or suppressed.
    """
    try:
        address = normalise(raw.strip())
    except InvalidInput:
        return Performed(Notice.BAD_ADDRESS)
    if address.spelling == person.email:
        return Performed(Notice.UNCHANGED)
    kind = RequestKind.NEW_ADDRESS
    earlier = pending_requests.request_times(connection, person.id, kind, now - timedelta(days=1))
    if len(earlier) >= NEW_ADDRESSES_A_DAY:
        return Performed(Notice.TOO_MANY)
    pending_requests.close(connection, person.id, now, kind=kind)  # only the newest link works
    stated = RequestedPerson(email=address.spelling)
    number = pending_requests.add(connection, kind, locale, now, subscriber_id=person.id, stated=stated)
    service_mails.enqueue(connection, ServiceMailKind.ADDRESS_NOTICE, number, now)
    service_mails.enqueue(connection, ServiceMailKind.NEW_ADDRESS, number, now)
    return Performed(Notice.ADDRESS_ASKED)
