"""The sections of a changelog, by one principle.

A section is what its own heading holds, down to the next heading of the same or a higher level that begins a version.
A deeper heading never ends its parent, unless the file plainly sets some releases a level below others. What stays
ambiguous carries a doubt, which names both lines.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from campaigns.notes.changelog import words
from campaigns.notes.changelog.beginnings import TitledHeading, beginnings, titled_headings, version_lines
from campaigns.notes.changelog.outline import LOWEST, Heading, Outline
from campaigns.notes.changelog.titles import Title
from campaigns.notes.changelog.version import Version

_MOST_DOUBTS = 3
_NUMBERS = re.compile(r"\d+(?:\.\d+)+")
_MARK = re.compile(r"\[[^\]\d]*\]")  # of a release that is none, or no more
_OPENED_DETAILS = re.compile(r"(?:^|\n)<details[^>\n]*>\s*(?:<summary>[^\n]*</summary>)?\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Section:
    """What one heading holds: the lines from `start` up to `end`, counted from 0. `doubts` say why not to mail it."""

    heading: Heading
    title: Title
    start: int
    end: int
    doubts: tuple[str, ...] = ()


class _Relation(Enum):
    """What a deeper heading that names a version is to the heading above it."""

    PART = "part of it"
    SIBLING = "a release of its own"
    UNCLEAR = "either"


def divide(found: Outline, origin: str) -> tuple[tuple[Section, ...], tuple[str, ...]]:
    """All sections that begin with a version or with "Unreleased", in the order of the file.

    And the headings that name a version and begin no section, as they are written. Raises InvalidInput, with `origin`,
    where no heading names a version and there are too many lines to look for one.
    """
    marked = titled_headings(found)
    begun = beginnings(marked)
    if not any(titled.version for titled in begun):
        begun = version_lines(found, origin) or begun
    divided = tuple(_Divider(found, marked, begun).sections())
    starts = {section.heading.start for section in divided}
    others = (one.heading.text for one in marked if one.version and one.heading.start not in starts)
    return divided, tuple(others)


@dataclass
class _Divider:
    """Where each section ends, and what is doubtful about it."""

    found: Outline
    titled_headings: Sequence[TitledHeading]
    beginnings: Sequence[TitledHeading]
    _doubts: dict[int, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._starts = [heading.start for heading in self.found.headings]
        self._begun = {titled.heading.start for titled in self.beginnings}
        self._by_rank = _levels_follow_rank(self.beginnings)
        self._marked = {titled.heading.start: titled for titled in self.titled_headings}

    def sections(self) -> Iterator[Section]:
        ends: dict[int, int] = {}
        parts: set[int] = set()
        for index, titled in enumerate(self.beginnings):
            if titled.heading.start not in parts:
                end, below = self._end_at_versions(index)
                parts |= below
                ends[titled.heading.start] = self._end_at_others(titled, end)
        for titled in self.beginnings:
            if titled.heading.start not in parts:
                yield self._section(titled, ends[titled.heading.start])

    def _end_at_versions(self, index: int) -> tuple[int, set[int]]:
        """The line of the next version, and the headings before it that are part of this section."""
        titled = self.beginnings[index]
        parts: set[int] = set()
        for other in self.beginnings[index + 1 :]:
            if other.heading.level <= titled.heading.level:
                return other.heading.start, parts
            match self._relation(titled, other):
                case _Relation.SIBLING:
                    self._doubt_series(titled, other)
                    return other.heading.start, parts
                case _Relation.PART:
                    parts.add(other.heading.start)
                case _Relation.UNCLEAR:
                    doubt = (
                        f"it is unclear whether {_quoted(other)} on line {other.heading.line} is part of "
                        f"{_quoted(titled)} on line {titled.heading.line} or a release of its own"
                    )
                    self._doubt(titled, doubt)
                    self._doubt(other, doubt)
        return len(self.found.lines), parts

    def _relation(self, titled: TitledHeading, deeper: TitledHeading) -> _Relation:
        upper, lower = titled.version, deeper.version
        is_alike = deeper.title.is_bare or (self._by_rank and _wording(deeper) == _wording(titled))
        if upper is None or lower is None or not is_alike or titled.keys & deeper.keys:
            return _Relation.PART
        if lower.package and lower.package != upper.package and not (upper.package and self._by_rank):
            return _Relation.PART
        is_dated = titled.title.is_dated and deeper.title.is_dated
        return (
            _Relation.SIBLING if is_dated or self._by_rank or _is_series(upper, lower) else _Relation.UNCLEAR
        )

    def _doubt_series(self, titled: TitledHeading, other: TitledHeading) -> None:
        """What stands between "2.0" and the "2.0.1" below it may be about either."""
        is_series = titled.version and other.version and _is_series(titled.version, other.version)
        between = self.found.lines[titled.heading.end : other.heading.start]
        if is_series and any(line.strip() for line in between):
            self._doubt(
                titled,
                f"{_quoted(titled)} on line {titled.heading.line} stands above {_quoted(other)} on line "
                f"{other.heading.line}, which may be part of it",
            )

    def _end_at_others(self, titled: TitledHeading, end: int) -> int:
        """An end before that, at a heading that stands above the section and begins something else."""
        is_last = self.beginnings[-1].heading.start < end
        first, last = (bisect_left(self._starts, line) for line in (titled.heading.end, end))
        for heading in self.found.headings[first:last]:
            if heading.start in self._begun or not heading.text:
                continue
            if titled.heading.level < LOWEST and heading.level <= titled.heading.level:
                other = self._marked.get(heading.start)
                if other and not other.keys <= titled.keys:
                    self._doubt(
                        titled,
                        f"it is unclear whether {_said(heading)} on line {heading.line} is part of {_quoted(titled)} on "
                        f"line {titled.heading.line} or begins something else",
                    )
                    continue
            text = heading.text.strip(" .:!").lower()
            if heading.level <= titled.heading.level and (
                words.OLDER.fullmatch(text) or words.SERIES.fullmatch(text)
            ):
                return heading.start
            if heading.level < titled.heading.level < LOWEST:
                if self._holds_text(heading, end) and (not is_last or words.IS_A_CHANGE.fullmatch(text)):
                    self._doubt(
                        titled,
                        f"{_said(heading)} on line {heading.line} stands above {_quoted(titled)} on line "
                        f"{titled.heading.line}; it is unclear whether it is part of it",
                    )
                    continue
                return heading.start
        return end

    def _holds_text(self, heading: Heading, end: int) -> bool:
        return any(line.strip() for line in self.found.lines[heading.end : end])

    def _doubt(self, titled: TitledHeading, doubt: str) -> None:
        doubts = self._doubts.setdefault(titled.heading.start, [])
        if len(doubts) < _MOST_DOUBTS:
            doubts.append(doubt)

    def _section(self, titled: TitledHeading, end: int) -> Section:
        lines, start = self.found.lines, titled.heading.end
        while start < end and not lines[start].strip():
            start += 1
        if titled.heading.level > LOWEST:  # an item of a list ends where the list does
            end = next((line for line in range(start, end) if lines[line][:1].strip()), end)
        while end > start and not lines[end - 1].strip():
            end -= 1
        end = _before_opened_details(lines, start, end)
        doubts = tuple(self._doubts.get(titled.heading.start, ()))
        return Section(titled.heading, titled.title, start, end, doubts)


def _before_opened_details(lines: Sequence[str], start: int, end: int) -> int:
    """The line before ``<details>`` at the very end of a section: it folds up the sections below."""
    tail = "\n".join(lines[max(start, end - 4) : end])
    if opened := _OPENED_DETAILS.search(tail):
        end -= tail[opened.start() :].lstrip("\n").count("\n") + 1
        while end > start and not lines[end - 1].strip():
            end -= 1
    return end


def _is_series(upper: Version, lower: Version) -> bool:
    """Whether the upper one names all releases that begin with its numbers, and the lower one is among them."""
    return len(upper.parts) < len(lower.parts) and lower.parts[: len(upper.parts)] == upper.parts


def _wording(titled: TitledHeading) -> str:
    """The words before the version: "what's new in" of "[Unreleased] What's new in 2.4.0"."""
    before, *_ = _NUMBERS.split(_MARK.sub("", titled.heading.text), maxsplit=1)
    return before.strip("~*_`[ ").lower()


def _quoted(titled: TitledHeading) -> str:
    return _said(titled.heading)


def _said(heading: Heading) -> str:
    text = heading.text if len(heading.text) <= 60 else f"{heading.text[:60]}…"
    return f"“{text}”"


def _levels_follow_rank(titled_headings: Sequence[TitledHeading]) -> bool:
    """Whether, in the whole file, major or minor releases stand on a level above the others (semantic-release does so)."""
    levels: dict[int, set[int]] = {}
    package = next((titled.version.package for titled in titled_headings if titled.version), None)
    numbered = [
        (titled.heading.level, titled.version.parts)
        for titled in titled_headings
        if (titled.title.is_bare or _wording(titled) == _wording(titled_headings[0]))
        and titled.version
        and titled.version.package == package
        and len(titled.version.parts) >= 3
        and not titled.version.is_pre_release
    ]
    for level, (_, minor, patch, *_) in numbered:
        levels.setdefault(2 if patch else 1 if minor else 0, set()).add(level)
    by_rank = [next(iter(levels[rank])) for rank in sorted(levels) if len(levels[rank]) == 1]
    return (
        len(numbered) > 2
        and len(set(by_rank)) > 1
        and len(by_rank) == len(levels)
        and by_rank == sorted(by_rank)
    )
