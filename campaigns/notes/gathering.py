"""Make one set of notes from the releases in a changelog that were not announced yet.

Announced releases are stored as lines: versions, and after a "#" the headings that are never announced
(yanked releases, headings without a release). So nothing that stood in the file before counts as new, also
where an edit makes it readable as a release. What is unreleased is not kept: it is new once it is released.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from campaigns.notes.changelog import Changelog, Release, ReleaseStatus, Version, lines_of, outline
from templates.language import Locale, load_texts
from templates.notes import ReleaseNotes, RemoteImages

_HEADING = "#"
_TOP = 3  # below the heading that each gathered release gets
_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Frame:
    """The front matter of the gathered notes. `theme` is for several releases; of one, the settings' is used."""

    locale: Locale
    topic: str
    product: str
    base_url: str | None
    remote_images: RemoteImages = "refuse"
    repository: str | None = None
    theme: str | None = "digest"


def heard_lines(changelog: Changelog, since: str | None = None) -> tuple[str, ...]:
    """The lines of everything in a changelog, or of everything up to the version `since`.

    Raises what `Changelog.find` raises for `since`.
    """
    ordered = changelog.newest_first(changelog.releases)
    newest = 0
    if since is not None:
        last = changelog.find(since)
        newest = next(index for index, release in enumerate(ordered) if release.line == last.line)
    released = [release for release in ordered[newest:] if release.status is not ReleaseStatus.UNRELEASED]
    versions = [str(version) for release in released for version in release.versions]
    return (*versions, *(f"{_HEADING}{heading}" for heading in changelog.other_headings))


def unheard(
    changelog: Changelog, heard: Collection[str], *, pre_releases: bool = False
) -> tuple[Release, ...]:
    """The releases that are not among the `heard` lines, newest first. They are released and not empty.

    Raises InvalidInput, as `Changelog.find` does, where it is unclear what belongs to one of them.
    """
    versions, headings = _Heard(heard), {line[1:] for line in heard if line.startswith(_HEADING)}
    found = [
        release
        for release in changelog.releases
        if release.status is ReleaseStatus.RELEASED
        and release.body
        and release.heading not in headings
        and not any(map(versions.include, release.versions))
        and (pre_releases or not release.versions[0].is_pre_release)
    ]
    for release in found:
        changelog.find(str(release.versions[0]))
    return tuple(changelog.newest_first(found))


def passed_over(changelog: Changelog) -> tuple[str, ...]:
    """The lines of everything that a digest does not announce: pre-releases, yanked releases, and other
    headings.
    """
    unannounced = [
        release.heading
        for release in changelog.releases
        if release.status is ReleaseStatus.WITHDRAWN
        or (release.status is ReleaseStatus.RELEASED and release.versions[0].is_pre_release)
    ]
    return tuple(f"{_HEADING}{heading}" for heading in (*unannounced, *changelog.other_headings))


def announced(lines: Collection[str]) -> list[str]:
    """The versions in the lines."""
    return [line for line in lines if not line.startswith(_HEADING)]


def gather_notes(changelog: Changelog, found: Sequence[Release], frame: Frame) -> ReleaseNotes:
    """One set of notes of some releases, newest first.

    Of several, each gets a heading of its own, with its own headings below; lines in messages are then
    counted in the gathered text.
    """
    newest, oldest = found[0], found[-1]
    origin = changelog.origin
    if len(found) == 1:
        version, body, first_line = (
            changelog.label(newest),
            changelog.with_definitions(newest),
            newest.first_line,
        )
    else:
        version = f"{changelog.label(oldest)} – {changelog.label(newest)}"
        body = "\n\n".join(
            f"## {changelog.label(release)}\n\n{_below(changelog.with_definitions(release))}"
            for release in found
        )
        origin, first_line = f"{origin} ({version})", 1
    return ReleaseNotes(
        title=load_texts(frame.locale)["mail"]["changelog_title"].format(
            product=frame.product, version=version
        ),
        version=version,
        date=newest.date,
        locale=frame.locale,
        topic=frame.topic,
        preheader=None,
        body=body,
        origin=origin,
        first_line=first_line,
        base_url=frame.base_url,
        remote_images=frame.remote_images,
        repository=frame.repository or changelog.repository,
        short_references=True,
        theme=frame.theme if len(found) > 1 else None,
    )


class _Heard:
    """The versions in the heard lines. Comparison ignores different spellings of a version."""

    def __init__(self, lines: Collection[str]) -> None:
        self._packages: dict[str, set[str]] = {}
        for line in announced(lines):
            package, _, number = line.rpartition("@")
            self._packages.setdefault(_plain(Version(number)), set()).add(package.lower())

    def include(self, version: Version) -> bool:
        """Whether the version is among them, for the same package or where either does not name a package."""
        packages = self._packages.get(_plain(version), set())
        return bool(packages) and (
            version.package is None or version.package.lower() in packages or "" in packages
        )


def _plain(version: Version) -> str:
    """A version without zeros at its end: 1.2 and 1.2.0 are equal."""
    return re.sub(r"(?:\.0)+(?=$|-)", "", version.key)


def _below(body: str) -> str:
    """The body, with its headings moved to the levels below the heading of the release."""
    found = outline(body)
    lines = list(lines_of(body))
    highest = min((heading.level for heading in found.headings), default=_TOP)
    for heading in reversed(found.headings):
        source = " ".join(line.strip() for line in lines[heading.start : heading.end])
        if lines[heading.start].lstrip().startswith("#"):
            words = re.sub(r"^#{1,6}\s*", "", source)
        else:
            words = re.sub(r"\s*(?:=+|-+)\s*$", "", source)
        level = min(heading.level - highest + _TOP, _DEEPEST)
        lines[heading.start : heading.end] = [f"{'#' * level} {words}"]
    return "\n".join(lines)
