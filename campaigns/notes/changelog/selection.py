"""One release out of a changelog, or a refusal that says what there is and both ways on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from textwrap import dedent
from typing import Any

from campaigns.notes.changelog.beginnings import version_lines
from campaigns.notes.changelog.bounds import refuse_endless
from campaigns.notes.changelog.outline import LOWEST, Outline, lines_of, outline
from campaigns.notes.changelog.sections import Section, divide
from campaigns.notes.changelog.titles import ReleaseStatus, read_title
from campaigns.notes.changelog.version import Version, key_of
from mailer.errors import InvalidInput, NotFound
from templates.markdown import create_parser, find_repository

_LISTED = 12
_STRAY = re.compile(
    r"^ {0,3}(?:\*\*|__)?\W{0,3}(?:v(?:ersion |ersie )?)?\d+\.\d+", re.MULTILINE | re.IGNORECASE
)
_WAYS_ON = (
    'Write the heading as "## [2.4.0] - 2026-11-01", or give the notes as a file of their own: '
    "mailer campaigns create NOTES.md"
)
_UNRELEASED_HINT = (
    "Give the heading its version and date once it is released, or give the notes as a file of their own."
)


@dataclass(frozen=True, slots=True)
class Release:
    """One version's section: its heading stands on line `line` of the file (from 1), its body from `first_line`.

    `versions` are all that its heading names; `doubts` say, with lines, why its extent is unclear.
    """

    versions: tuple[Version, ...]
    date: date | None
    status: ReleaseStatus
    heading: str
    line: int
    first_line: int
    body: str
    doubts: tuple[str, ...]

    @property
    def version(self) -> str:
        """The version without its package."""
        return self.versions[0].number


class Changelog:
    """A changelog in Markdown, read once. Its `releases` stand in the order of the file; "Unreleased" is none.

    `repository` is the web address that its comparisons of versions lead to, where it is one. `packages` are the
    names that stand before versions. `product` is the name that stands before every one. `other_headings` name a
    version and begin no release. Raises InvalidInput for a text that would take long to read.
    """

    def __init__(self, text: str, origin: str) -> None:
        refuse_endless(text, origin)
        self._outline: Outline = outline(text)
        self.origin = origin
        divided, self.other_headings = divide(self._outline, origin)
        self.releases = tuple(self._release(section) for section in divided if section.title.versions)
        self.packages = frozenset(
            version.package for one in self.releases for version in one.versions if version.package
        )
        self.product = _only_package(self.releases)
        self.repository = find_repository(text)

    def find(self, wanted: str) -> Release:
        """The release `wanted`: "1.2.3", "v1.2.3", or of several packages "name@1.2.3". That version comes first in it.

        Raises NotFound, naming the versions there are, also for "Unreleased". Raises InvalidInput, with all that speaks
        against mailing it, where the version is not released or yanked, stands in the file twice, says nothing, or
        where it is unclear what belongs to it.
        """
        found = self._named(wanted)
        if not found and _is_unreleased(wanted):
            raise NotFound(f"{wanted} names no release.", where=self.origin, hint=_UNRELEASED_HINT)
        if not found:
            raise NotFound(
                f"there is no section for version {wanted}.", where=self.origin, hint=self._listing()
            )
        if plain := [release for release in found if release.versions[0].package is None]:
            found = plain
        packages = list(dict.fromkeys(str(release.versions[0]) for release in found))
        if len({name.lower() for name in packages}) > 1:
            raise InvalidInput(
                f"version {wanted} is there for {len(packages)} packages, on lines {_lines(found)}.",
                where=self.origin,
                hint=f"Say which one with --version: {', '.join(packages)}.",
            )
        if problems := self._problems(found, wanted):
            raise InvalidInput(
                "; ".join(problems) + ".", where=f"{self.origin}, line {found[0].line}", hint=_hint(found)
            )
        return found[0]

    def label(self, release: Release) -> str:
        """What to call a release: its version, and with several packages its package."""
        version = release.versions[0]
        has_several = len({name.lower() for name in self.packages}) > 1
        return f"{version.package} {version.number}" if version.package and has_several else version.number

    def newest_first(self, found: Sequence[Release]) -> list[Release]:
        """Some of the releases with the newest first, whichever way the file is ordered."""
        ordered = sorted(found, key=lambda release: release.line)
        return ordered[::-1] if _is_ascending(self.releases) else ordered

    def with_definitions(self, release: Release) -> str:
        """The body of a release, with the links and footnotes that it uses and that are defined elsewhere in the file."""
        start = release.first_line - 1
        end = start + len(lines_of(release.body))
        body, taken = release.body, set[tuple[int, int]]()
        while places := self._places_used(body) - taken:  # a footnote may use further ones
            taken |= places
            elsewhere = [place for place in sorted(places) if not start <= place[0] < end]
            notes = [place for place in elsewhere if place in self._outline.footnotes.values()]
            links = [self._lines(place) for place in elsewhere if place not in notes]
            body = "\n\n".join(filter(None, [body, "\n".join(links), *map(self._lines, notes)]))
        return body

    def _lines(self, place: tuple[int, int]) -> str:
        return "\n".join(self._outline.lines[slice(*place)]).rstrip()

    def _places_used(self, body: str) -> set[tuple[int, int]]:
        """The lines of the file that define what `body` refers to."""
        references, footnotes = self._outline.references, self._outline.footnotes
        environment: dict[str, Any] = {
            "references": dict(references),
            "footnotes": {"refs": {f":{label}": -1 for label in footnotes}, "list": {}},
        }
        labels = {
            (child.type == "footnote_ref", child.meta["label"])
            for token in create_parser().parse(body, environment)
            for child in token.children or ()
            if "label" in child.meta
        }
        links = {(*references[label]["map"],) for note, label in labels if not note and label in references}
        return links | {footnotes[label] for note, label in labels if note and label in footnotes}

    def _release(self, section: Section) -> Release:
        body = "\n".join(self._outline.lines[section.start : section.end])
        return Release(
            versions=section.title.versions,
            date=section.title.date,
            status=section.title.status,
            heading=section.heading.text,
            line=section.heading.line,
            first_line=section.start + 1,
            body=dedent(body) if section.heading.level >= LOWEST else body,
            doubts=section.doubts,
        )

    def _named(self, wanted: str) -> list[Release]:
        title = read_title(wanted)
        asked = title.versions[0] if title and title.versions else Version(wanted.strip())
        keys = {asked.key, key_of(wanted)}
        found = []
        for release in self.releases:
            for version in release.versions:
                if version.key in keys and (
                    asked.package is None or _is_package(version.package, asked.package)
                ):
                    others = tuple(other for other in release.versions if other != version)
                    found.append(replace(release, versions=(version, *others)))
                    break
        return found

    def _problems(self, found: Sequence[Release], wanted: str) -> list[str]:
        problems = []
        if len(found) > 1:
            problems.append(f"version {wanted} has {len(found)} sections, on lines {_lines(found)}")
        for release in found:
            if release.status is not ReleaseStatus.RELEASED:
                problems.append(
                    f"version {release.version} on line {release.line} is marked as {release.status.value}"
                )
            problems.extend(release.doubts)
            problems.extend(self._strays(release))
            if not release.body:
                problems.append(
                    f"the section of version {release.version} on line {release.line} says nothing"
                )
        return list(dict.fromkeys(problems))

    def _strays(self, release: Release) -> Iterator[str]:
        """Lines in bold, or bare ones, that hold another version and nothing else: it may begin there."""
        if not _STRAY.search(release.body):
            return
        own = {version.key for version in release.versions}
        for mark in version_lines(outline(release.body), self.origin):
            if mark.heading.level == LOWEST and not own & mark.keys:
                yield (
                    f"version {mark.title.versions[0].number} may begin on line "
                    f"{release.first_line + mark.heading.start}, inside {release.version} of line {release.line}"
                )

    def _listing(self) -> str:
        if not self.releases:
            return f"No heading in the file names a version. {_WAYS_ON}"
        names = ", ".join(
            release.version if self.product else str(release.versions[0])
            for release in self.releases[:_LISTED]
        )
        more = f" and {len(self.releases) - _LISTED} more" if len(self.releases) > _LISTED else ""
        return f"There are {names}{more}. {_WAYS_ON}"


def _only_package(found: Sequence[Release]) -> str | None:
    packages = {version.package for release in found for version in release.versions}
    return packages.pop() if len({name and name.lower() for name in packages}) == 1 else None


def _is_ascending(found: Sequence[Release]) -> bool:
    """Whether most releases stand below an older one."""
    numbers = [(release.date, release.versions[0].parts) for release in found]
    steps = 0
    for (upper_date, upper), (lower_date, lower) in pairwise(numbers):
        if upper_date and lower_date and upper_date != lower_date:
            steps += 1 if upper_date < lower_date else -1
        elif upper != lower:
            steps += 1 if upper < lower else -1
    return steps > 0


def _hint(found: Sequence[Release]) -> str:
    if any(release.status is ReleaseStatus.WITHDRAWN for release in found):
        return "Nobody should be invited to install it. To say so, write notes in a file of their own."
    if any(release.status is ReleaseStatus.UNRELEASED for release in found):
        return _UNRELEASED_HINT
    if len(found) > 1:
        return "Leave one section for each version, or give the notes as a file of their own."
    return f"Let headings of releases stand on one level. {_WAYS_ON}"


def _is_unreleased(wanted: str) -> bool:
    """Whether somebody asks for "Unreleased" itself."""
    title = read_title(wanted)
    return title is not None and not title.versions and title.status is ReleaseStatus.UNRELEASED


def _is_package(name: str | None, asked: str) -> bool:
    if name is None:
        return False
    return name.lower() == asked.lower() or name.lower().rpartition("/")[2] == asked.lower()


def _lines(found: Sequence[Release]) -> str:
    return " and ".join(str(release.line) for release in found)
