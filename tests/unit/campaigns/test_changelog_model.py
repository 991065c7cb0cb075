"""Changelogs written by a model are read back: each section word for word, or refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.notes.changelog import Changelog
from mailer.errors import InvalidInput

STYLES = (
    "{version}",
    "v{version}",
    "[{version}]",
    "[{version}](https://example.com/{version})",
    "Version {version}",
    "Versie {version}",
    "Release {version}",
    "What's new in {version}",
    "Nieuw in {version}",
    "🚀 {version}",
    "`{version}`",
    "**{version}**",
    "Версия {version}",
)
DATES = (
    "{text} - {day:%Y-%m-%d}",
    "{text} ({day:%Y-%m-%d})",
    "{text} ({day:%d.%m.%Y})",
    "{text} - {day:%B} {day.day}, {day.year}",
    "{text} / {day:%Y/%m/%d}",
    "{day:%Y-%m-%d}, {text}",
    "{text}",
)
UNRELEASED = ("{text} (Unreleased)", "{text} - TBD", "[Unreleased] {text}", "{text} (in development)")
YANKED = ("{text} [YANKED]", "~~{text}~~", "{text} (ingetrokken)")
BELOW = (
    "Added",
    "Upgrading from {other}",
    "Changes since {other}",
    "Downloads for v{version}",
    "Python 3.8 dropped",
    "What's new in {other}",
    "`@acme/ui@{version}`",
    "React 18",
    "Node 20.1.0",
    "2024-01-01",
    "Breaking changes in {version}",
    "{other} → {version}",
)
BESIDE = ("What's Changed", "New Contributors", "Changes since {other}", "Upgrade from {other}", "Full list")
BLOCKS = (
    "- One thing.",
    "- Two\n  - things\n  - {other}",
    "A paragraph about {other}.",
    "```\n## {other}\n```",
    "> ## {other}",
    "1. First\n\n   ## {other}\n\n2. Second",
    "<!-- ## {other} -->",
    "| a | b |\n| --- | --- |\n| {other} | 2 |",
    "    ## {other}",
)

_NUMBER = st.integers(0, 30)
_VERSIONS = st.lists(st.tuples(_NUMBER, _NUMBER, _NUMBER), min_size=1, max_size=6, unique=True)


@dataclass(frozen=True)
class Written:
    """One section as the model wrote it."""

    version: str
    body: str
    status: str


@st.composite
def changelogs(draw: st.DrawFn) -> tuple[str, list[Written]]:
    numbers = sorted(draw(_VERSIONS), reverse=draw(st.booleans()))
    style, dated = draw(st.sampled_from(STYLES)), draw(st.sampled_from(DATES))
    level = draw(st.integers(1, 4))
    is_ranked = draw(st.booleans()) and len({patch == 0 for *_, patch in numbers}) == 2 and len(numbers) > 2
    has_dates = dated != "{text}"
    text, written = draw(st.sampled_from(["", "Intro.\n\n", "All notable changes.\n\n"])), []
    for index, number in enumerate(numbers):
        version = ".".join(map(str, number))
        other = ".".join(map(str, numbers[index - 1])) if index else "99.9.9"
        heading = style.format(version=version)
        status = draw(st.sampled_from(["released"] * 4 + ["unreleased", "yanked"]))
        match status:
            case "released":
                heading = dated.format(text=heading, day=date(2020 + index, 11, 13))
            case "unreleased":
                heading = draw(st.sampled_from(UNRELEASED)).format(text=heading)
            case _:
                heading = draw(st.sampled_from(YANKED)).format(text=heading)
        below = level + (is_ranked and number[2] != 0 and not has_dates)
        # Where levels follow the rank, a heading below that is worded like those of releases would be one.
        parts = [
            one
            for one in BELOW
            if not (is_ranked and one.format(other="", version="") == style.format(version=""))
        ]
        body = draw(_bodies(below, version, other, parts))
        text += f"{'#' * below} {heading}\n\n{body}\n\n"
        written.append(Written(version, body, status))
    return text, written


@st.composite
def _bodies(draw: st.DrawFn, level: int, version: str, other: str, below: list[str]) -> str:
    parts = [draw(st.sampled_from(BLOCKS))]
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            parts.append("#" * (level + draw(st.integers(1, 2))) + " " + draw(st.sampled_from(below)))
        elif draw(st.booleans()):
            parts.append("#" * level + " " + draw(st.sampled_from(BESIDE)))
        parts.append(draw(st.sampled_from(BLOCKS)))
    return "\n\n".join(part.format(version=version, other=other) for part in parts)


@given(changelogs())
def test_each_section_is_found_word_for_word_or_refused_for_its_state(
    made: tuple[str, list[Written]],
) -> None:
    text, written = made
    changelog = Changelog(text, "CHANGELOG.md")
    for section in written:
        if section.status == "released":
            assert changelog.find(section.version).body == section.body.strip("\n"), text
        else:
            with pytest.raises(InvalidInput, match="is marked as"):
                changelog.find(section.version)


@given(st.text("#[]()-. v0123456789\nab`:<>*_=", max_size=300))
def test_of_any_text_the_sections_are_its_own_lines(text: str) -> None:
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n")]
    for release in Changelog(text, "f").releases:
        found = [line.strip() for line in release.body.split("\n")]
        assert (
            lines[release.first_line - 1 : release.first_line - 1 + len(found)] == found or not release.body
        )
