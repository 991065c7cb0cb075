"""A campaign's notes and content as they are stored: the notes as JSON, the content with its hash.

It stands outside `campaigns.notes`, because a campaign that is frozen is sent without what reads and renders notes.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from typing import Any

from templates.notes import Action, ReleaseNotes, RenderedNotes


def dump_notes(notes: ReleaseNotes) -> str:
    """The notes in all their languages as JSON, for the database."""
    return json.dumps(_values(notes), ensure_ascii=False)


def load_notes(document: str) -> ReleaseNotes:
    """Notes from the database."""
    return _notes(json.loads(document))


def _values(notes: ReleaseNotes) -> dict[str, Any]:
    return notes._asdict() | {
        "date": notes.date.isoformat() if notes.date else None,
        "action": notes.action and notes.action._asdict(),
        "translations": [_values(one) for one in notes.translations],
    }


def _notes(values: dict[str, Any]) -> ReleaseNotes:
    day, action = values["date"], values.get("action")
    read = {
        "date": date.fromisoformat(day) if day else None,
        "action": Action(**action) if action else None,
        "key_lines": tuple((key, line) for key, line in values.get("key_lines", ())),
        "translations": tuple(map(_notes, values.get("translations", ()))),
    }
    return ReleaseNotes(**(values | read))


def content_hash(rendered: RenderedNotes) -> str:
    """The SHA-256 (hex) of the whole content that recipients get, in all its languages."""
    parts = [rendered.subject, rendered.html, rendered.text]
    parts += [
        f"{image.content_id} {image.content_type} {hashlib.sha256(image.data).hexdigest()}"
        for image in sorted(rendered.images, key=lambda image: image.content_id)
    ]
    parts += [f"{one.locale} {content_hash(one)}" for one in rendered.translations]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()
