"""One release out of a changelog, or a refusal that says what there is and both ways on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from textwrap import dedent

from campaigns.notes.changelog.beginnings import version_lines
from campaigns.notes.changelog.outline import LOWEST, Outline, lines_of, outline
from campaigns.notes.changelog.sections import Section, sections
from campaigns.notes.changelog.versions import Status, Version, key_of, read_title
from mailer.errors import InvalidInput, NotFound
from templates.markdown import parser

_LISTED = 12
_STRAY = re.compile(
    r"^ {0,3}(?:\*\*|__)?\W{0,3}(?:v(?:ersion |ersie )?)?\d+\.\d+", re.MULTILINE | re.IGNORECASE
)
_WAYS_ON = (
    'Write the heading as "## [2.4.0] - 2026-11-01", or give the notes as a file of their own: '
    "mailer campaigns create NOTES.md"
)


@dataclass(frozen=True, slots=True)
class Release:
    """One version's section: its heading stands on line `line` of the file (from 1), its body from `first_line`.

    `versions` are all that its heading names; `doubts` say, with lines, why its extent is unclear.
    """

    versions: tuple[Version, ...]
    date: date | None
    status: Status
    line: int
    first_line: int
    body: str
    doubts: tuple[str, ...]

    @property
    def version(self) -> str:
        """The version without its package."""
        return self.versions[0].number

    @property
    def package(self) -> str | None:
        """The package, where the heading names one."""
        return self.versions[0].package

    @property
    def is_announceable(self) -> bool:
        """Whether it is released and says something."""
        return self.status is Status.RELEASED and bool(self.body)


class Changelog:
    """A changelog in Markdown, read once. Its `releases` stand in the order of the file; "Unreleased" is none."""

    def __init__(self, text: str, origin: str) -> None:
        self._outline: Outline = outline(text)
        self.origin = origin
        found = [self._release(section) for section in sections(self._outline) if section.title.versions]
        self._product = _only_package(found)
        self.releases = tuple(_without_package(release) if self._product else release for release in found)

    def find(self, wanted: str) -> Release:
        """The release `wanted`: "1.2.3", "v1.2.3", or of several packages "name@1.2.3".

        Raises NotFound, naming the versions there are. Raises InvalidInput, with all that speaks against mailing it,
        where the version is not released or yanked, stands in the file twice, says nothing, or where it is unclear
        what belongs to it.
        """
        found = self._named(wanted)
        if not found:
            raise NotFound(
                f"there is no section for version {wanted}.", where=self.origin, hint=self._listing()
            )
        if plain := [release for release in found if self._package(release, wanted) is None]:
            found = plain
        packages = list(dict.fromkeys(self._package(release, wanted) for release in found))
        if len(packages) > 1:
            choices = ", ".join(
                f"{name}@{found[0].version}" if name else found[0].version for name in packages
            )
            raise InvalidInput(
                f"version {wanted} is there for {len(packages)} packages, on lines {_lines(found)}.",
                where=self.origin,
                hint=f"Say which one with --version: {choices}.",
            )
        if problems := self._problems(found, wanted):
            raise InvalidInput(
                "; ".join(problems) + ".", where=f"{self.origin}, line {found[0].line}", hint=_hint(found)
            )
        return found[0]

    def with_definitions(self, release: Release) -> str:
        """The body of a release, with the reference links that it uses and that are defined elsewhere in the file."""
        tokens = parser().parse(release.body, {"references": dict(self._outline.references)})
        labels = {
            child.meta["label"]: None
            for token in tokens
            for child in token.children or ()
            if "label" in child.meta
        }
        end = release.first_line - 1 + len(lines_of(release.body))
        places = [
            self._outline.references[label]["map"] for label in labels if label in self._outline.references
        ]
        lines = self._outline.lines
        definitions = [
            "\n".join(lines[first:last])
            for first, last in places
            if not release.first_line - 1 <= first < end
        ]
        return "\n".join([release.body, "", *definitions]) if definitions else release.body

    def _release(self, section: Section) -> Release:
        body = "\n".join(self._outline.lines[section.start : section.end])
        return Release(
            versions=section.title.versions,
            date=section.title.date,
            status=section.title.status,
            line=section.heading.line,
            first_line=section.start + 1,
            body=dedent(body) if section.heading.level >= LOWEST else body,
            doubts=section.doubts,
        )

    def _named(self, wanted: str) -> list[Release]:
        title = read_title(wanted)
        asked = title.versions[0] if title and title.versions else Version(wanted.strip())
        if _is_package(self._product, asked.package):
            asked = replace(asked, package=None)
        keys = {asked.key, key_of(wanted)}
        return [
            release
            for release in self.releases
            if any(
                version.key in keys and (asked.package is None or _is_package(version.package, asked.package))
                for version in release.versions
            )
        ]

    def _package(self, release: Release, wanted: str) -> str | None:
        title = read_title(wanted)
        key = title.versions[0].key if title and title.versions else key_of(wanted)
        return next((version.package for version in release.versions if version.key == key), release.package)

    def _problems(self, found: Sequence[Release], wanted: str) -> list[str]:
        problems = []
        if len(found) > 1:
            problems.append(f"version {wanted} has {len(found)} sections, on lines {_lines(found)}")
        for release in found:
            if release.status is not Status.RELEASED:
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
        for mark in version_lines(outline(release.body)):
            if mark.heading.level == LOWEST and not own.intersection(
                version.key for version in mark.title.versions
            ):
                line = release.first_line + mark.heading.start
                yield f"version {mark.title.versions[0].number} may begin on line {line}, inside {release.version} of line {release.line}"

    def _listing(self) -> str:
        if not self.releases:
            return f"No heading in the file names a version. {_WAYS_ON}"
        names = ", ".join(str(release.versions[0]) for release in self.releases[:_LISTED])
        more = f" and {len(self.releases) - _LISTED} more" if len(self.releases) > _LISTED else ""
        return f"There are {names}{more}. {_WAYS_ON}"


def _only_package(found: Sequence[Release]) -> str | None:
    """The name that stands before every version: that of the product."""
    packages = {version.package for release in found for version in release.versions}
    return packages.pop() if len({name and name.lower() for name in packages}) == 1 else None


def _without_package(release: Release) -> Release:
    return replace(release, versions=tuple(replace(version, package=None) for version in release.versions))


def _hint(found: Sequence[Release]) -> str:
    if any(release.status is Status.WITHDRAWN for release in found):
        return "Nobody should be invited to install it. To say so, write notes in a file of their own."
    if any(release.status is Status.UNRELEASED for release in found):
        return "Give the heading its date once it is released, or give the notes as a file of their own."
    if len(found) > 1:
        return "Leave one section for each version, or give the notes as a file of their own."
    return f"Let headings of releases stand on one level. {_WAYS_ON}"


def _is_package(name: str | None, asked: str | None) -> bool:
    if name is None or asked is None:
        return False
    return name.lower() == asked.lower() or name.lower().rpartition("/")[2] == asked.lower()


def _lines(found: Sequence[Release]) -> str:
    return " and ".join(str(release.line) for release in found)
