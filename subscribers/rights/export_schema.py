"""The JSON schema (draft 2020-12) of what `export_values` gives: a person's data, for other programs to read."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
_TEXT_OR_NONE = {"type": ["string", "null"]}
_TIME = {"type": "string", "format": "date-time"}
_TIME_OR_NONE = {"type": ["string", "null"], "format": "date-time"}
_NUMBER = {"type": "integer"}


def _values(**properties: dict[str, Any]) -> dict[str, Any]:
    """An object with exactly these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(description: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "description": description, "items": _values(**properties)}


EXPORT_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "The data on file about a person",
    "description": "GDPR articles 15 and 20. Times are RFC 3339.",
    **_values(
        salutation=_TEXT,
        first_name=_TEXT,
        surname=_TEXT,
        email={"type": "string", "format": "email"},
        on_file_since=_TIME,
        consents=_list("What stands for each topic.", topic=_TEXT, state=_TEXT, since=_TIME),
        suppressed={
            "description": "Why and since when no mail goes to the address, and what was noted about it.",
            "anyOf": [{"type": "null"}, _values(reason=_TEXT, since=_TIME, source=_TEXT_OR_NONE)],
        },
        events=_list(
            "The entries of the consent ledger, oldest first.",
            line=_NUMBER,
            kind=_TEXT,
            topic=_TEXT,
            occurred_at=_TIME,
            recorded_at=_TIME,
            channel=_TEXT,
            source=_TEXT_OR_NONE,
            wording_sha256=_TEXT_OR_NONE,
            hash=_TEXT,
        ),
        wordings={
            "type": "object",
            "description": "The texts that were shown, by their SHA-256.",
            "additionalProperties": _TEXT,
        },
        disclosures=_list(
            "To whom outside the data were given, and on what ground.", at=_TIME, to=_TEXT, ground=_TEXT
        ),
        requests=_list(
            "Requests by this person, or with this address, that wait for a confirmation or were confirmed lately.",
            kind=_TEXT,
            topic=_TEXT_OR_NONE,
            salutation=_TEXT_OR_NONE,
            first_name=_TEXT_OR_NONE,
            surname=_TEXT_OR_NONE,
            email=_TEXT_OR_NONE,
            requested_at=_TIME,
            expires_at=_TIME,
            confirmed_at=_TIME_OR_NONE,
        ),
        holds=_list(
            "Data that the law requires you to keep: on what ground, until when.",
            ground=_TEXT,
            until=_TIME,
            added_at=_TIME,
            erasure_requested_at=_TIME_OR_NONE,
        ),
        mails=_list(
            "The mails to this person.",
            campaign=_TEXT,
            title=_TEXT,
            topic=_TEXT,
            outcome=_TEXT,
            attempts=_NUMBER,
            first_attempted_at=_TIME_OR_NONE,
            attempted_at=_TIME_OR_NONE,
            completed_at=_TIME_OR_NONE,
            reply=_TEXT_OR_NONE,
        ),
        account_requests=_list(
            "Requests of an account system about this person within the last day.",
            answered_at=_TIME,
            status=_NUMBER,
        ),
    ),
}
