"""Release notes as values: what the renderer takes and what it returns."""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple

from mailer.message import InlineImage
from templates.language import Locale

RemoteImages = Literal["refuse", "link", "omit"]


class Action(NamedTuple):
    """The one thing that the notes ask of the reader: the words of a button, and its address."""

    label: str
    url: str


class ReleaseNotes(NamedTuple):
    """The notes of one release, before rendering.

    `body` is Markdown. `origin` names its file, and `first_line` is the number, counted from 1, of the body's
    first line in that file; error messages use both. `base_url` is the web address that relative links start
    from; without it relative links are refused. `remote_images` is for images from hosts
    that are not allowed: refuse the notes, replace the image by a link, or omit it. `repository` is the web address
    that ``#123``, ``@user`` and relative links belong to. With `short_references` long addresses of pull requests and
    commits are shown as ``#123`` and short hashes. Without a `theme` the settings' is used.
    `key_lines` has the line in the file, counted from 1, of each key that the front matter gave, and of the title.
    `translations` are the same notes in other languages, each without translations of its own.
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
    remote_images: RemoteImages = "refuse"
    repository: str | None = None
    short_references: bool = False
    theme: str | None = None
    action: Action | None = None
    key_lines: tuple[tuple[str, int], ...] = ()
    translations: tuple[ReleaseNotes, ...] = ()

    @property
    def editions(self) -> tuple[ReleaseNotes, ...]:
        """The notes in all their languages, this one first."""
        return (self, *self.translations)

    def where(self, line: int) -> str:
        """The place of the body's `line` (counted from 0) in the file."""
        return f"{self.origin}, line {self.first_line + line}"

    def where_key(self, key: str) -> str | None:
        """The place of a key of the front matter in the file; None where the file does not give it."""
        line = dict(self.key_lines).get(key)
        return f"{self.origin}, line {line}" if line else None


class RenderedNotes(NamedTuple):
    """A mail before it has a recipient: `html` and `text` contain the markers of `mailer.message.Slot`.

    `translations` are the same mail in other languages.
    """

    subject: str
    html: str
    text: str
    images: tuple[InlineImage, ...]
    locale: Locale
    translations: tuple[RenderedNotes, ...] = ()

    @property
    def editions(self) -> tuple[RenderedNotes, ...]:
        """The mail in all its languages, this one first."""
        return (self, *self.translations)

    @property
    def preheader(self) -> str:
        """The text that an inbox shows after the subject: the first hidden text of `html`."""
        from templates.mail_contents import read_mail_html  # noqa: PLC0415 - slow to import, and what sends needs none

        return read_mail_html(self.html).preheader
