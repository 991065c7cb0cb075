"""Notes as a new file of their own, with front matter, for their author to edit."""

from __future__ import annotations

import json
from pathlib import Path

from mailer.errors import InvalidInput
from mailer.new_files import new_file
from templates.notes import ReleaseNotes

TO_WRITE = """\
Say in a sentence or two what this release changes for its readers.

### Added

- **A name for it.** What one can do with it now.

### Fixed

- What went wrong, and does no more.
"""


def write_notes(path: Path, notes: ReleaseNotes) -> None:
    """Write the notes as a new file. Raises InvalidInput where there is one, or it can't be created."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path, 0o666) as new:
            new.write_text(_as_file(notes), encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"can't be created: {error.strerror}", where=str(path)) from None


def parse_new_file(answer: str) -> Path:
    """The path of a file that is not there yet. Raises InvalidInput."""
    if not answer or Path(answer).exists():
        raise InvalidInput("there is a file already.", where=answer, hint="Give another one (--output).")
    return Path(answer)


def _as_file(notes: ReleaseNotes) -> str:
    """The notes as Markdown with front matter. JSON's strings are YAML's, too."""
    values = {
        "title": notes.title,
        "version": notes.version,
        "date": notes.date.isoformat() if notes.date else None,
        "locale": notes.locale,
        "topic": notes.topic,
        "preheader": notes.preheader,
        "base_url": notes.base_url,
        "repository": notes.repository,
        "theme": notes.theme,
    }
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items() if value]
    return "\n".join(["---", *lines, "---", "", notes.body.strip("\n"), ""])
