"""The releases of a changelog in Markdown: Keep a Changelog 1.1.0, and the many ways in which teams differ from it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import pairwise
from typing import Any

from babel.dates import get_month_names
from markdown_it.token import Token

from mailer.errors import InvalidInput, NotFound
from templates.language import LOCALES
from templates.markdown import create_parser

_VERSION = r"(?:v?(?P<dotted>\d+(?:\.\d+)+(?:[-+._]?[0-9A-Za-z]+)*)|v(?P<single>\d+)\b)"
# What teams write: [v2.4.0] - 2026-11-01, Version 2.4.0, Acme Cloud 2.4.0 (November 1, 2026).
_HEADING = re.compile(rf"\W*(?:[A-Za-z][\w.-]*\s+){{0,2}}[\[(]?{_VERSION}(?P<rest>.*)", re.IGNORECASE)
_DEEPEST_HEADING = 3
_LISTED = 12
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)")
_DAY_FIRST = re.compile(r"(?<!\d)(\d{1,2})(?:st|nd|rd|th|e)?\s+([^\W\d_]+)\.?,?\s+(\d{4})")
_MONTH_FIRST = re.compile(r"([^\W\d_]+)\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})")


@dataclass(frozen=True, slots=True)
class Release:
    """One version's section: its heading stands on line `line` of the file (from 1), its body from `first_line`."""

    version: str
    date: date | None
    yanked: bool
    body: str
    line: int
    first_line: int


@dataclass(frozen=True, slots=True)
class _Heading:
    text: str
    level: int
    start: int
    end: int

    @property
    def match(self) -> re.Match[str] | None:
        return _HEADING.match(self.text)


def releases(text: str) -> tuple[Release, ...]:
    """Every release in the file, in its order; "Unreleased" is none."""
    environment: dict[str, Any] = {}
    lines = text.splitlines()
    tokens = create_parser().parse("\n".join(lines), environment)
    headings = list(_headings(tokens))
    return tuple(
        _release(heading, end, lines, _definitions(tokens, environment, lines, heading.end, end))
        for heading, end in _sections(headings, len(lines))
    )


def find(text: str, version: str, origin: str) -> Release:
    """The release `version`, written with or without a "v".

    Raises NotFound, naming the versions there are; InvalidInput for one that was yanked or says nothing.
    """
    found = releases(text)
    wanted = _plain(version)
    release = next((release for release in found if _plain(release.version) == wanted), None)
    if release is None:
        raise NotFound(f"there is no section for version {version}.", where=origin, hint=_listing(found))
    where = f"{origin}, line {release.line}"
    if release.yanked:
        raise InvalidInput(
            f"version {release.version} is marked as yanked.",
            where=where,
            hint="Nobody should be invited to install it. To say so, write notes in a file of their own.",
        )
    if not release.body:
        raise InvalidInput(f"the section of version {release.version} says nothing.", where=where)
    return release


def _plain(version: str) -> str:
    return version.strip().strip("[]").lower().removeprefix("v")


def _listing(found: Sequence[Release]) -> str:
    if not found:
        return 'No heading in the file names a version; write them as "## [2.4.0] - 2026-11-01".'
    names = ", ".join(release.version for release in found[:_LISTED])
    more = f" and {len(found) - _LISTED} older ones" if len(found) > _LISTED else ""
    return f"There are {names}{more}."


def _headings(tokens: Sequence[Token]) -> Iterator[_Heading]:
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open" and opening.level == 0 and opening.map:
            words = "".join(child.content for child in inline.children or ())
            yield _Heading(words, int(opening.tag[1]), *opening.map)


def _sections(headings: Sequence[_Heading], last: int) -> Iterator[tuple[_Heading, int]]:
    """The headings that name a version, each with the line on which its section ends.

    Generated notes that were pasted below a version bring headings of its own level along ("What's Changed").
    Those belong to it, unless no further version follows: then they begin something else ("Older releases").
    """
    named = _naming_versions(headings)
    final = max((heading.start for heading in named), default=0)
    for index, heading in enumerate(headings):
        if heading in named:
            ends = (
                other.start
                for other in headings[index + 1 :]
                if other in named
                or other.level < heading.level
                or (other.level == heading.level and other.start > final)
            )
            yield heading, next(ends, last)


def _naming_versions(headings: Sequence[_Heading]) -> set[_Heading]:
    """Those on the level where most versions stand; on another one (majors above minors) only with a date."""
    candidates = [heading for heading in headings if heading.level <= _DEEPEST_HEADING and heading.match]
    levels = Counter(heading.level for heading in candidates)
    usual = min(levels, key=lambda level: (-levels[level], level), default=0)
    return {heading for heading in candidates if heading.level == usual or _date(heading.text)}


def _release(heading: _Heading, end: int, lines: Sequence[str], definitions: Sequence[str]) -> Release:
    start = heading.end
    while start < end and not lines[start].strip():
        start += 1
    body = "\n".join(lines[start:end]).rstrip()
    if body and definitions:
        body = "\n".join([body, "", *definitions])
    match = heading.match
    assert match is not None  # noqa: S101 - only such headings come here
    return Release(
        version=match["dotted"] or match["single"],
        date=_date(match["rest"]),
        yanked="yanked" in match["rest"].lower(),
        body=body,
        line=heading.start + 1,
        first_line=start + 1,
    )


def _definitions(
    tokens: Sequence[Token], environment: dict[str, Any], lines: Sequence[str], start: int, end: int
) -> list[str]:
    """The definitions, from elsewhere in the file, of the reference links in the section."""
    labels = {
        child.meta["label"]: None
        for token in tokens
        if token.map and start <= token.map[0] < end
        for child in token.children or ()
        if "label" in child.meta
    }
    references = environment.get("references", {})
    places = [references[label]["map"] for label in labels]
    return ["\n".join(lines[first:last]) for first, last in places if not start <= first < end]


def _date(text: str) -> date | None:
    """The first date that can only be read in one way."""
    if found := _ISO_DATE.search(text):
        return _day(int(found[1]), int(found[3]), int(found[4]))
    if (found := _DAY_FIRST.search(text)) and (month := _months().get(found[2].lower())):
        return _day(int(found[3]), month, int(found[1]))
    if (found := _MONTH_FIRST.search(text)) and (month := _months().get(found[1].lower())):
        return _day(int(found[3]), month, int(found[2]))
    return None


def _day(year: int, month: int, day: int) -> date | None:
    with suppress(ValueError):
        return date(year, month, day)
    return None


@cache
def _months() -> dict[str, int]:
    """The names of the months in all languages, whole and shortened."""
    return {
        name.lower().rstrip("."): number
        for locale in LOCALES
        for width in ("wide", "abbreviated")
        for number, name in get_month_names(width, locale=locale).items()
    }
