"""Parse the objects of the API: addresses, names, times and ids become typed values or a 422."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from mailer.access import Token
from mailer.errors import InvalidInput
from subscribers import account
from subscribers.account.requests import Who
from subscribers.address import EmailAddress, normalise
from subscribers.intake import parse_consent_time
from subscribers.ledger import parse_note
from subscribers.people import Names, parse_name
from subscribers.rights import Correction
from subscribers.web.api import schemas
from subscribers.web.api.problems import Trouble, in_field
from subscribers.web.api.service import Service

_AN_INSTANT = "Write a date, a time and a zone, such as 2026-11-28T09:30:00+01:00."
_ONE_LINE = "It is to be one line, without control characters."
# What a member that does not follow its pattern is to be.
_PATTERNS = {
    "given_at": _AN_INSTANT,
    "at": _AN_INSTANT,
    "topic": "A topic is named with letters, digits, dots, hyphens and underscores, such as release-notes.",
    "wording": "It is the SHA-256 of the text that was shown: 64 digits, 0-9 and a-f.",
    "subscriber": "It is an id from an earlier answer: sub_ and 32 digits.",
    "language": "Write a language tag, such as nl or en-GB.",
    "after": "It is the `next` of an earlier answer. Leave it out to start from the first change.",
    "Idempotency-Key": "Write letters, digits, signs and spaces of ASCII, such as a UUID.",
    **dict.fromkeys(("salutation", "first_name", "surname", "note", "version"), _ONE_LINE),
}

# Another system's clock may be ahead of ours.
CLOCK_TOLERANCE = timedelta(minutes=2)


def grant(body: schemas.Grant, token: Token, service: Service) -> account.Grant:
    """Raises Trouble."""
    names = Names(*(_name(field, getattr(body, field)) for field in Names._fields))
    given_at = _instant("given_at", body.given_at, service)
    return account.Grant(
        _address("email", body.email), names, body.topic, given_at, body.wording, _source(body.note, token)
    )


def withdrawal(body: schemas.Withdrawal, token: Token, service: Service) -> account.Withdraw:
    """Raises Trouble."""
    at = _instant("at", body.at, service) if body.at is not None else None
    return account.Withdraw(who(body, service), body.topic, at, _source(body.note, token))


def rectification(body: schemas.Rectification, token: Token, service: Service) -> account.Rectify:
    """Raises Trouble."""
    names = {
        field: _name(field, value) if value is not None else None
        for field in Names._fields
        for value in (getattr(body, field),)
    }
    email = _address("new_email", body.new_email) if body.new_email is not None else None
    correction = Correction(**names, email=email)
    return account.Rectify(who(body, service), correction, _source(body.note, token))


def erasure(body: schemas.Erasure, token: Token, service: Service) -> account.Erase:
    """Raises Trouble."""
    return account.Erase(who(body, service), _source(body.note, token))


def who(body: schemas.Someone, service: Service) -> Who:
    """The address or the id of the person that a request names. Raises Trouble."""
    if "email" in body.model_fields_set:
        return _address("email", body.email)
    try:
        return service.public_ids.read_subscriber(body.subscriber)
    except InvalidInput:
        raise Trouble(
            404,
            "not-on-file",
            "Nobody with this id is on file.",
            errors=[{"field": "subscriber", "detail": "It is not an id of this installation."}],
        ) from None


def cursor(after: str | None, service: Service) -> int:
    """The number of the change after which to read; without a cursor, or with an empty one, 0. Raises Trouble."""
    if not after:
        return 0
    try:
        return service.public_ids.read_change(after)
    except InvalidInput as error:
        raise Trouble(409, "unknown-cursor", f"after: {error.reason}. Read from the start again.") from None


def invalid_request(errors: Sequence[Any]) -> Trouble:
    """The answer to an invalid request. It names members, never their values."""
    fields = []
    for error in errors:
        place = [str(part) for part in error["loc"] if part not in {"body", "query", "header"}]
        fields.append({"field": ".".join(place) or "body", "detail": _reason(error)})
    fields.sort(key=lambda each: each["field"])
    first = fields[0]
    return Trouble(422, "invalid-request", f"{first['field']}: {first['detail']}", errors=fields)


def _reason(error: Any) -> str:
    """Pydantic's message, which names the rule and not the value."""
    if error["type"] == "json_invalid":
        return "It is not JSON."
    if error["type"] == "extra_forbidden":
        return "There is no such member; nothing else about a person is stored."
    if error["type"] == "string_pattern_mismatch" and error["loc"][-1] in _PATTERNS:
        return _PATTERNS[error["loc"][-1]]
    message = str(error["msg"]).removeprefix("Value error, ")
    return message[:1].upper() + message[1:] + "."


def _address(field: str, raw: str) -> EmailAddress:
    try:
        return normalise(raw.strip())
    except InvalidInput as error:
        raise in_field(field, error.reason) from None


def _name(field: str, raw: str) -> str:
    try:
        return parse_name(raw)
    except InvalidInput as error:
        raise in_field(field, error.reason) from None


def _instant(field: str, raw: str, service: Service) -> datetime:
    try:
        return parse_consent_time(raw.upper(), service.zone, service.now(), tolerance=CLOCK_TOLERANCE)
    except InvalidInput as error:
        raise in_field(field, error.reason) from None


def _source(note: str, token: Token) -> str:
    try:
        return parse_note(note.strip() or f"API, {token.name}")
    except InvalidInput as error:
        raise in_field("note", error.reason) from None
