"""What the renderer is given, and what it makes of it: release notes as values. Templates know no people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from mailer.message import InlineImage
from templates.language import Locale


@dataclass(frozen=True, slots=True)
class ReleaseNotes:
    """One release, in the words of its authors.

    `body` is Markdown. `origin` names the file it came from and `first_line` is the number, counted from 1, of
    the body's first line in that file, so that a message can say where to look. `base_url` is the web address
    that relative links start from; without it they are refused, for a mail has no address of its own.
    """

    title: str
    version: str | None
    date: date | None
    locale: Locale
    topic: str
    preheader: str | None
    body: str
    origin: str
    first_line: int = 1
    base_url: str | None = None

    def where(self, line: int) -> str:
        """The place of the body's `line` (counted from 0) in the file."""
        return f"{self.origin}, line {self.first_line + line}"


@dataclass(frozen=True, slots=True)
class RenderedNotes:
    """A mail but for the recipient: `html` and `text` hold the markers of `mailer.message.Slot`."""

    subject: str
    preheader: str
    html: str
    text: str
    images: tuple[InlineImage, ...]
    locale: Locale
