"""The mail of a preview: rendered once for each change and language, composed for a person."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from campaigns.preview import html_with_pictures, text_of
from campaigns.rendering import render_notes
from campaigns.sending.compose import Example, sample_of
from campaigns.web.preview.source import PreviewSource, is_changed
from mailer.config import Settings
from mailer.errors import MailerError
from mailer.message import InlineImage
from templates.environment import load_environment
from templates.language import Locale
from templates.lint import compare_languages, lint
from templates.notes import ReleaseNotes, RenderedNotes

PEOPLE = (
    Example("Ms", "Zoë", "de Vries", "zoe@example.com"),
    Example("", "Zoë", "de Vries", "zoe@example.com"),
    Example("", "", "", "reader@example.com"),
    Example(
        "dhr.",
        "Jan-Willem",
        "van 't Hooft-Oosterhuis van der Meulen",
        "jan-willem.van.t.hooft@department.example",
    ),
    Example("", "نور", "الهاشمي", "noor@example.com"),
    Example("", "小明", "王", "xiaoming@example.com"),
)
"""People who do not exist: with all fields, without a salutation, unknown, with a long name, and of other scripts."""

_LIKELY = {"nl": {"Ms": "mevrouw"}, "en": {"dhr.": "Mr"}}


@dataclass(frozen=True, slots=True)
class PreviewedMail:
    """A mail for one person. `error` says why there is none."""

    html: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, str | None] | None = None


class Rendering:
    """Renders on demand, and keeps what is still current. Safe for several threads."""

    def __init__(self, source: PreviewSource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._versions: dict[Path, object] = {}
        self._notes: ReleaseNotes | None = None
        self._rendered: dict[str | None, RenderedNotes] = {}
        self._images: Mapping[str, InlineImage] = {}
        self._composed: tuple[RenderedNotes, int, PreviewedMail] | None = None

    def versions(self) -> dict[Path, object]:
        """The state of each file of the preview; of the settings alone where they can't be read."""
        try:
            return self._source.versions(frozenset(self._images))
        except MailerError as error:
            return {Path("settings"): str(error)}

    def mail(self, person: int, locale: Locale | None) -> PreviewedMail:
        """The mail to one of `PEOPLE`, in a language or the notes' own."""
        try:
            settings = self._source.load_settings()
            return self._compose(self.rendered(settings, locale), settings, person)
        except MailerError as error:
            return PreviewedMail(error={"message": error.message, "hint": error.hint})

    def _compose(self, rendered: RenderedNotes, settings: Settings, person: int) -> PreviewedMail:
        """The mail for a person. The last one is kept: the page asks for its headers, then for its HTML."""
        composed = self._composed
        if composed is None or composed[0] is not rendered or composed[1] != person:
            mail = _compose(rendered, self._source, settings, PEOPLE[person])
            self._composed = composed = (rendered, person, mail)
        return composed[2]

    def findings(self, locale: Locale | None) -> list[dict[str, Any]]:
        """What lint says about the mail."""
        try:
            settings = self._source.load_settings()
            rendered = self.rendered(settings, locale)
        except MailerError:
            return []  # the mail says why
        notes = self._notes
        edition = _edition(notes, locale)._replace(translations=()) if notes else None
        today = datetime.now(settings.tz).date()
        found = lint(
            rendered, image_hosts=settings.image_hosts, notes=edition, images=self._images, today=today
        )
        found += compare_languages(notes, image_hosts=settings.image_hosts) if notes else ()
        return [one.values() for one in found]

    def rendered(self, settings: Settings, locale: Locale | None = None) -> RenderedNotes:
        """The mail with open slots. Raises InvalidInput, TemplateError."""
        with self._lock:
            after = self.versions()
            if is_changed(self._versions, after):
                self._rendered = {}
            if is_changed(*(_of_templates(one, settings.templates_dir) for one in (self._versions, after))):
                load_environment.cache_clear()  # a new template may stand in the place of one of the package
            if locale not in self._rendered:
                self._rendered[locale] = self._render_anew(settings, locale)
                self._versions = self.versions()
            return self._rendered[locale]

    def _render_anew(self, settings: Settings, locale: Locale | None) -> RenderedNotes:
        """The mail in one language: as it was written for it, else the first with that language around it."""
        read = self._source.read(settings)
        if read is None:
            assert self._source.stored is not None  # noqa: S101 - a source has either
            stored = self._source.stored()
            return next((one for one in stored.editions if one.locale == locale), stored)
        self._notes, self._images = read
        edition = _edition(self._notes, locale)
        return render_notes(edition._replace(translations=()), self._images, settings)


def _of_templates(versions: Mapping[Path, object], folder: Path | None) -> dict[Path, object]:
    """The versions of the templates of a team's own."""
    if folder is None:
        return {}
    return {file: version for file, version in versions.items() if file.is_relative_to(folder)}


def _edition(notes: ReleaseNotes, locale: Locale | None) -> ReleaseNotes:
    own = next((one for one in notes.editions if one.locale == locale), None)
    return own or notes._replace(locale=locale or notes.locale)


def sample_mails(source: PreviewSource) -> dict[Locale, bytes]:
    """The mail of a source to somebody who does not exist, in each of its languages, the first file's first.

    Raises InvalidInput with file and line.
    """
    settings = source.load_settings()
    read = source.read(settings)
    assert read is not None  # noqa: S101 - a file has notes
    return {
        one.locale: sample_of(one._replace(translations=()), settings.topic, settings, slug=source.slug)
        for one in render_notes(*read, settings).editions
    }


def _compose(
    rendered: RenderedNotes, source: PreviewSource, settings: Settings, person: Example
) -> PreviewedMail:
    salutation = _LIKELY[rendered.locale].get(person.salutation, person.salutation)
    person = person._replace(salutation=salutation)
    data = sample_of(rendered, settings.topic, settings, person, source.slug)
    message: EmailMessage = message_from_bytes(data, policy=policy.default)
    values = {
        "subject": rendered.subject,
        "preheader": rendered.preheader,
        "sender": settings.sender.name or settings.sender.email,
        "locale": rendered.locale,
        "headers": [(name, " ".join(str(value).split())) for name, value in message.items()],
        "text": text_of(message),
        "html_bytes": len(rendered.html.encode()),
        "mail_bytes": len(data),
    }
    return PreviewedMail(html_with_pictures(message), values)
