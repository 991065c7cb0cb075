"""The source of a campaign's notes, to read them again."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from campaigns.notes import Defaults, read_changelog, read_images, read_markdown, read_text
from mailer.config import Settings
from mailer.message import InlineImage
from subscribers.topic import parse_topic
from templates.language import parse_locale
from templates.notes import ReleaseNotes, RemoteImages


@dataclass(frozen=True, slots=True)
class NotesSource:
    """A file of notes, and the options with which the campaign was created.

    `version` names a changelog's section; without it `path` is a Markdown file of its own. The other options
    override the file.
    """

    path: str
    version: str | None = None
    title: str | None = None
    preheader: str | None = None
    topic: str | None = None
    locale: str | None = None
    base_url: str | None = None
    remote_images: RemoteImages | None = None

    @classmethod
    def load(cls, document: str) -> Self:
        """A source from the database."""
        return cls(**json.loads(document))

    def dump(self) -> str:
        """This source as JSON, for the database."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def read(self, settings: Settings) -> tuple[ReleaseNotes, dict[str, InlineImage]]:
        """Read the notes and their images from disk. Raises InvalidInput with file and line."""
        path = Path(self.path)
        locale = parse_locale(self.locale) if self.locale else None
        topic = parse_topic(self.topic) if self.topic is not None else None
        defaults = Defaults(
            locale=locale or settings.locale,
            topic=topic or settings.topic,
            product=settings.brand.name,
            base_url=self.base_url,
        )
        text = read_text(path)
        if self.version:
            notes = read_changelog(
                text, self.version, path.name, defaults, title=self.title, preheader=self.preheader
            )
        else:
            notes = read_markdown(text, path.name, defaults)
        notes = dataclasses.replace(
            notes,
            locale=locale or notes.locale,
            topic=topic or notes.topic,
            base_url=self.base_url or notes.base_url,
            remote_images=self.remote_images or settings.remote_images,
        )
        return notes, read_images(notes, path.parent, settings)
