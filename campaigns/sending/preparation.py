"""Render, check and freeze the content of a campaign."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from campaigns import catalogue
from campaigns.campaign import Campaign
from campaigns.rendering import render_notes
from campaigns.sending.compose import Composer
from campaigns.stored_content import dump_notes, load_notes
from mailer.config import Settings
from mailer.database import Clock, Database, installation_id
from mailer.errors import MailerError, Refused
from mailer.message import InlineImage
from mailer.signing import SigningProcess
from templates.lint import Severity, lint
from templates.notes import ReleaseNotes, RenderedNotes

if TYPE_CHECKING:
    from campaigns.source import NotesSource

PROOF_MARKS = {"en": "[Proof]", "nl": "[Proef]"}


class Preparation:
    """Renders, checks and freezes content, on one database, with one set of settings and one clock."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database, self._settings, self._clock = database, settings, clock

    def source_change(self, slug: str) -> str | None:
        """How the notes on disk differ from the campaign's, or None. Campaigns of digests have no source."""
        with self._database.read() as connection:
            campaign = catalogue.find(connection, slug)
            if campaign.source is None:
                return None
            images = catalogue.images_of(connection, campaign.id)
        source = self.source_of(campaign)
        try:
            notes, images_now = source.read(self._settings)
        except MailerError as error:
            return f"The source can't be read any more: {error.message}."
        kept = {image.content_id for name, image in images.items() if not name.startswith(catalogue.LOGO)}
        if dump_notes(notes) == campaign.notes and {one.content_id for one in images_now.values()} == kept:
            return None
        return f"{source.path} has changed since. Take the change over with `mailer campaigns update {slug}`."

    def source_of(self, campaign: Campaign) -> NotesSource:
        """Where the campaign's notes come from. Raises Refused where that is not known."""
        from campaigns.source import NotesSource  # noqa: PLC0415 - slow to import, and what sends reads no files

        if campaign.source is None:
            raise Refused(
                f"It is not known where the notes of {campaign.slug!r} come from.",
                hint="Name a file with --from FILE.",
            )
        return NotesSource.load(campaign.source)

    def read(self, source: NotesSource) -> tuple[ReleaseNotes, dict[str, InlineImage]]:
        """The notes and images of `source`. Raises InvalidInput or TemplateError where they can't be rendered."""
        notes, images = source.read(self._settings)
        render_notes(notes, images, self._settings)
        return notes, images

    def rendered(self, slug: str) -> RenderedNotes:
        """The campaign's mail with open slots: the frozen content, or else the current content."""
        return self.content(slug)[0]

    def content(self, slug: str) -> tuple[RenderedNotes, ReleaseNotes, dict[str, InlineImage]]:
        """The same, with the campaign's notes, and their images by name."""
        with self._database.read() as connection:
            campaign = catalogue.find(connection, slug)
            images = catalogue.images_of(connection, campaign.id)
            frozen = catalogue.frozen_content(connection, campaign) if campaign.frozen_at else None
        notes = load_notes(campaign.notes)
        return frozen or render_notes(notes, images, self._settings), notes, images

    def composer(self, slug: str, *, is_proof: bool = False) -> Composer:
        """A composer with the campaign's current content; with `is_proof` the subject says so."""
        rendered = _mark_as_proof(self.rendered(slug)) if is_proof else self.rendered(slug)
        with self._database.read() as connection:
            campaign = catalogue.find(connection, slug)
            installation = installation_id(connection)
        return Composer(
            campaign.id, slug, campaign.topic, rendered, self._settings, installation=installation
        )

    def check_content(self, campaign: Campaign) -> RenderedNotes:
        """The rendered and checked content of a campaign that is not frozen yet.

        Raises TemplateError or InvalidInput with file and line, and Refused where lint finds an error.
        """
        rendered = self.rendered(campaign.slug)
        refuse_unsendable(campaign.slug, campaign.topic, rendered, self._settings, self._clock())
        return rendered


def _mark_as_proof(rendered: RenderedNotes) -> RenderedNotes:
    translations = tuple(map(_mark_as_proof, rendered.translations))
    subject = f"{PROOF_MARKS[rendered.locale]} {rendered.subject}"
    return rendered._replace(subject=subject, translations=translations)


def refuse_unsendable(
    slug: str, topic: str, rendered: RenderedNotes, settings: Settings, now: datetime
) -> None:
    """Raise Refused if lint finds an error, or the composer's error if it can't compose a mail."""
    findings = lint(rendered, image_hosts=settings.image_hosts)
    if errors := [finding for finding in findings if finding.severity is Severity.ERROR]:
        lines = "\n".join(f"  {finding.where}: {finding.message} ({finding.code})" for finding in errors)
        raise Refused(f"Campaign {slug!r} is not sent, because lint found errors:\n{lines}")
    with SigningProcess(settings.dkim) as signing:  # the keys are never in a process that sends
        composer = Composer(0, slug, topic, rendered, settings, installation="", external_keys=signing.keys)
    for edition in composer.editions:
        edition.sample(now)
