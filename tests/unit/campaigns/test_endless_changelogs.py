"""A megabyte of changelog is read or refused in about a second, whatever it is made of."""

from __future__ import annotations

import sys
import time

import pytest

from campaigns.notes.changelog import Changelog
from mailer.errors import InvalidInput, NotFound

MEGABYTE = 1_000_000
SECONDS = 1.5 if sys.gettrace() is None else 10  # of CPU time; alone on a machine it is half of that

# As teams write them: a heading, a few sub-headings and items for each release.
_RELEASE = "## [1.{0}.0](https://e.x/compare/v1...v2) (2024-01-01)\n\n### Bug Fixes\n\n{1}\n\n"
_ITEMS = "\n".join(f"- **part {n}:** something that was changed for everybody (#{n})" for n in range(12))


def timed(text: str) -> tuple[Changelog | InvalidInput, float]:
    start = time.process_time()
    found: Changelog | InvalidInput
    try:
        found = Changelog(text, "CHANGELOG.md")
        found.find("1.0.0")
    except NotFound:
        pass
    except InvalidInput as refused:
        found = refused
    return found, time.process_time() - start


def test_a_megabyte_of_usual_changelog_is_read_in_a_second():
    text = "# Changelog\n\n" + "".join(_RELEASE.format(n, _ITEMS) for n in range(1_300))
    assert len(text) > MEGABYTE
    found, seconds = timed(text)
    assert isinstance(found, Changelog)
    assert len(found.releases) == 1_300
    assert seconds < SECONDS


@pytest.mark.parametrize(
    "unit",
    [
        "## [[[[[[[[[[\n", "## " + "[" * 490 + "\n", "[", "<!-- ", "<!--\n", "a", "\n", "\r", "# 1.0\n", "## 1.0.0\n- a\n", "#### 1.0\n# 1.0\n",
        "## [1.0.0](https://e.x) (2024-01-01)\n", "- a\n", "1. a\n", "- ", "- - - - - - - - - - a\n", "> ", ">" * 200 + "a\n", "> a\nb\n", "* * *a\n",
        "a|b\n-|-\n", "[a]: b\n", "[a]:\n", "[^1]: a\n", "a\n: b\n", "a\n===\n", "a\n---\n", "```\n", "~~~a\n", ":::a\n", "<div>\n", "**1.2.3**\n\n",
        "## " + "*a" * 200 + "\n", "## " + "<a " * 150 + "1\n", "## " + "1." * 240 + "\n", "## (" + "(" * 240 + "1.0\n", "## 1 " + "January " * 60 + "\n",
        "## " + "![" * 240 + "1\n", "## " + "&amp;" * 90 + "1\n", "## " + "http://a1 " * 45 + "\n", "## 1.0" + " " * 480 + "\n", "1.2.3 ", "|", "`", "\t",
    ],
)  # fmt: skip
def test_a_megabyte_of_anything_is_read_or_refused_in_about_a_second(unit: str) -> None:
    found, seconds = timed((unit * (MEGABYTE // len(unit) + 1))[:MEGABYTE])
    assert seconds < SECONDS
    if isinstance(found, InvalidInput):
        assert found.where.startswith("CHANGELOG.md")
        assert found.hint


def test_deep_lists_are_read_in_a_second():
    _, seconds = timed("".join(" " * (2 * depth) + "- a\n" for depth in range(1_000)))
    assert seconds < SECONDS


def test_a_refusal_says_what_there_is_too_much_of():
    with pytest.raises(InvalidInput, match="76,924 headings and 153,846 lines") as refused:
        Changelog(("## 1.0.0\n- a\n" * 76_924)[:MEGABYTE], "CHANGELOG.md")
    assert "oldest releases" in (refused.value.hint or "")
