"""The JSON schema of the front matter of notes, with which editors complete and check it."""

from __future__ import annotations

from typing import Any

from campaigns.notes.markdown import FRONT_MATTER_KEYS, LONGEST_LINE
from mailer.config import TOPIC_PATTERN
from templates.language import LOCALES

_LINE = {"type": "string", "maxLength": LONGEST_LINE}
_ADDRESS = {"type": "string", "format": "uri", "pattern": "^https?://"}
# YAML reads 2.4 as a number and 2026-11-02 as a date; here both are taken as they are written.
_PROPERTIES: dict[str, dict[str, Any]] = {
    "title": {**_LINE, "description": "The subject, and the heading in the mail."},
    "version": {"type": ["string", "number"], "description": "Shown beside the date; also names the campaign."},
    "date": {"type": "string", "format": "date", "description": "Such as 2026-11-02; shown in words."},
    "locale": {"enum": list(LOCALES), "description": "The language of greeting, date and footer."},
    "topic": {"type": "string", "pattern": f"^(?:{TOPIC_PATTERN})$", "description": "Which consent a recipient must have given."},
    "preheader": {**_LINE, "description": "What an inbox shows after the subject."},
    "base_url": {**_ADDRESS, "description": "Where relative links start from."},
    "repository": {"type": "string", "description": "What #123 and @user belong to, such as https://github.com/acme/app."},
    "theme": {"type": "string", "description": "The look of the mail; `mailer themes list` shows all."},
    "action": {
        "type": "object",
        "description": "The one thing that the notes ask of the reader.",
        "properties": {"label": _LINE, "url": _ADDRESS},
        "required": ["label", "url"],
        "additionalProperties": False,
    },
}  # fmt: skip


def notes_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of the YAML between the two lines ``---``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The front matter of release notes",
        "type": "object",
        "properties": {key: _PROPERTIES[key] for key in FRONT_MATTER_KEYS},
        "additionalProperties": False,
    }
