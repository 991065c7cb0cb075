"""What a digest announces: the releases of its changelog that nobody heard of, as a rendered and checked mail."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from campaigns.digest_catalogue import Digest
from campaigns.notes import (
    Changelog,
    Frame,
    gather_notes,
    heard_lines,
    passed_over,
    read_images,
    read_text,
    unheard,
)
from campaigns.rendering import render_notes
from campaigns.sending.preparation import refuse_unsendable
from campaigns.source import settings_repository
from mailer.config import Settings
from mailer.message import InlineImage
from templates.language import parse_locale
from templates.notes import ReleaseNotes, RenderedNotes


@dataclass(frozen=True, slots=True)
class DigestContent:
    """The releases that a digest announces, the rendered mail, and the lines that count as heard afterwards."""

    versions: tuple[str, ...]
    heard: tuple[str, ...]
    notes: ReleaseNotes
    images: dict[str, InlineImage]
    rendered: RenderedNotes


def read_versions(changelog: Path, since: str | None = None) -> Sequence[str]:
    """The lines of the versions that count as heard: all, or those up to `since`. Raises NotFound for an unknown one."""
    return heard_lines(_read(changelog), since)


def read_content(
    one: Digest, heard: Collection[str], settings: Settings, now: datetime
) -> DigestContent | None:
    """The releases that are not among the lines `heard`, rendered and checked; None if there are none.

    Raises the errors of reading, rendering and checking the changelog.
    """
    path = Path(one.changelog)
    changelog = _read(path)
    found = unheard(changelog, heard, pre_releases=settings.digest_pre_releases)
    if not found:
        return None
    frame = Frame(
        parse_locale(one.locale),
        one.topic,
        settings.brand.name,
        one.base_url,
        settings.remote_images,
        settings_repository(settings),
        settings.theme or "digest",
    )
    notes = gather_notes(changelog, found, frame)
    images = read_images(notes, path.parent, settings)
    rendered = render_notes(notes, images, settings)
    refuse_unsendable(one.name, one.topic, rendered, settings, now)
    versions = tuple(changelog.label(release) for release in found)
    heard_now = [str(version) for release in found for version in release.versions]
    return DigestContent(versions, (*heard_now, *passed_over(changelog)), notes, images, rendered)


def _read(path: Path) -> Changelog:
    return Changelog(read_text(path), path.name)
