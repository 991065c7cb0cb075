"""The mail of a preview: rendered once for each change and language, composed for a person."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from campaigns.notes import render_notes
from campaigns.preview import html_with_pictures, text_of
from campaigns.sending.compose import Composer, Example, example
from campaigns.web.preview.source import PreviewSource, is_changed
from mailer.config import DkimSettings, Settings
from mailer.errors import MailerError
from templates.environment import load_environment
from templates.language import Locale
from templates.lint import lint, lint_notes
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


@dataclasses.dataclass(frozen=True, slots=True)
class PreviewedMail:
    """A mail for one person. `error` says why there is none."""

    html: str = ""
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    error: Mapping[str, str | None] | None = None


class Rendering:
    """Renders on demand, and keeps what is still current. Safe for several threads."""

    def __init__(self, source: PreviewSource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._versions: dict[Path, object] = {}
        self._notes: ReleaseNotes | None = None
        self._rendered: dict[str | None, RenderedNotes] = {}
        self.images: frozenset[str] = frozenset()

    def versions(self) -> dict[Path, object]:
        """The state of each file of the preview; of the settings alone where they can't be read."""
        try:
            return self._source.versions(self.images)
        except MailerError as error:
            return {Path("settings"): str(error)}

    def mail(self, person: int, locale: Locale | None) -> PreviewedMail:
        """The mail to one of `PEOPLE`, in a language or the notes' own."""
        try:
            settings = _without_secrets(self._source.load_settings())
            rendered = self.rendered(settings, locale)
            return _compose(rendered, self._source, settings, PEOPLE[person])
        except MailerError as error:
            return PreviewedMail(error={"message": error.message, "hint": error.hint})

    def findings(self, locale: Locale | None) -> list[dict[str, Any]]:
        """What lint says about the mail."""
        try:
            settings = self._source.load_settings()
            rendered = self.rendered(settings, locale)
        except MailerError:
            return []  # the mail says why
        found = lint(rendered, image_hosts=settings.image_hosts)
        return [dataclasses.asdict(one) for one in found + (lint_notes(self._notes) if self._notes else ())]

    def rendered(self, settings: Settings, locale: Locale | None = None) -> RenderedNotes:
        """The mail with open slots. Raises InvalidInput, TemplateError."""
        with self._lock:
            if is_changed(self._versions, self.versions()):
                self._rendered = {}
                load_environment.cache_clear()  # templates of a team's own may have changed
            if locale not in self._rendered:
                self._rendered[locale] = self._render_anew(settings, locale)
                self._versions = self.versions()
            return self._rendered[locale]

    def _render_anew(self, settings: Settings, locale: Locale | None) -> RenderedNotes:
        read = self._source.read(settings)
        if read is None:
            assert self._source.stored is not None  # noqa: S101 - a source has either
            return self._source.stored()
        notes, images = read
        self._notes, self.images = notes, frozenset(images)
        return render_notes(dataclasses.replace(notes, locale=locale or notes.locale), images, settings)


def sample_mail(source: PreviewSource) -> bytes:
    """The mail of a source to somebody who does not exist. Raises InvalidInput with file and line."""
    settings = _without_secrets(source.load_settings())
    rendered = Rendering(source).rendered(settings)
    return _sample(rendered, source, settings, example(rendered.locale))


def _sample(rendered: RenderedNotes, source: PreviewSource, settings: Settings, person: Example) -> bytes:
    composer = Composer(0, source.slug, settings.topic, rendered, settings, installation="")
    return bytes(composer.sample(datetime.now(UTC), person)[1])


def _compose(
    rendered: RenderedNotes, source: PreviewSource, settings: Settings, person: Example
) -> PreviewedMail:
    salutation = _LIKELY[rendered.locale].get(person.salutation, person.salutation)
    data = _sample(rendered, source, settings, dataclasses.replace(person, salutation=salutation))
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


def _without_secrets(settings: Settings) -> Settings:
    """The settings with a key of nobody: the links of a preview open nothing, and it needs no secrets and no signature."""
    return settings.model_copy(update={"secret_keys": (SecretStr("preview " * 8),), "dkim": DkimSettings()})
