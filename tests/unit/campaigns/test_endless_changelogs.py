"""The cost of a changelog grows with its length and no faster, whatever it is made of; what costs too much is refused.

Everything is a ratio of CPU times of one run: no machine is too slow for it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from markdown_it import MarkdownIt

from campaigns.notes.changelog import Changelog
from campaigns.notes.changelog.titles import read_title
from mailer.errors import InvalidInput, NotFound
from tests.support.cost import costs_less, cpu_seconds

SMALL, LARGE = 3_000, 24_000  # characters
MAX_GROWTH = 4 * LARGE / SMALL  # four times of what is linear; the square of it would be eight times
TICK = 0.02  # seconds of CPU; less is noise

# As teams write them: a heading, a few sub-headings and items for each release.
_RELEASE = "## [1.{0}.0](https://e.x/compare/v1...v2) (2024-01-01)\n\n### Bug Fixes\n\n{1}\n\n"
_ITEMS = "\n".join(f"- **part {n}:** something that was changed for everybody (#{n})" for n in range(12))
USUAL = "# Changelog\n\n" + "".join(_RELEASE.format(n, _ITEMS) for n in range(100))


def read(text: str) -> Changelog | InvalidInput:
    read_title.cache_clear()
    try:
        found = Changelog(text, "CHANGELOG.md")
        found.find("1.0.0")
    except NotFound:
        pass
    except InvalidInput as refused:
        return refused
    return found


def filled(unit: str, characters: int) -> str:
    return (unit * (characters // len(unit) + 1))[:characters]


@pytest.fixture(scope="module")
def plain() -> float:
    """What a plain reading of a usual changelog of 110,000 characters costs here."""
    return cpu_seconds(lambda: MarkdownIt("commonmark").parse(USUAL))


def test_a_usual_changelog_costs_no_more_than_twice_what_plain_markdown_does(plain: float) -> None:
    assert costs_less(lambda: read(USUAL), 2 * plain)  # it is half of it


def test_a_megabyte_as_dense_as_the_densest_real_changelogs_is_read():
    dense = "".join(
        f"## {n // 100}.{n % 100}.0 (2024-01-01)\n\n### Fix\n\n- one thing for all\n- and one more thing\n\n"
        for n in range(1_200)
    )
    found = read(dense + ("a" * 700 + "\n\n") * ((1_000_000 - len(dense)) // 702))
    assert isinstance(found, Changelog)
    assert len(found.releases) == 1_200


@pytest.mark.parametrize(
    "unit",
    [
        "## [[[[[[[[[[\n", "## " + "[" * 490 + "\n", "[", "<!-- ", "<!--\n", "a", "\n", "\r", "#### 1.0\n# 1.0\n",
        "## [1.0.0](https://e.x) (2024-01-01)\n", "- a\n", "1. a\n", "- ", "- - - - - - - - - - a\n", "> ", "> a\nb\n", "* * *a\n",
        "a|b\n-|-\n", "[a]: b\n", "[^1]: a\n", "a\n: b\n", "a\n---\n", "```\n", ":::a\n", "<div>\n", "**1.2.3**\n\n",
        "## " + "*a" * 200 + "\n", "## " + "<a " * 150 + "1\n", "## " + "1." * 240 + "\n", "## (" + "(" * 240 + "1.0\n", "## 1 " + "January " * 60 + "\n",
        "## " + "![" * 240 + "1\n", "## " + "&amp;" * 90 + "1\n", "## " + "http://a1 " * 45 + "\n", "## 1.0" + " " * 480 + "\n", "1.2.3 ", "|", "`", "\t",
    ],
)  # fmt: skip
def test_the_cost_grows_no_faster_than_the_text(unit: str) -> None:
    found = []

    def read_large() -> None:
        found.append(read(filled(unit, LARGE)))

    if cpu_seconds(read_large, tries=1) > TICK:
        small = cpu_seconds(lambda: read(filled(unit, SMALL)))
        assert costs_less(read_large, MAX_GROWTH * max(small, TICK / 8))
    if isinstance(found[0], InvalidInput):
        assert found[0].where.startswith("CHANGELOG.md")
        assert found[0].hint


@pytest.mark.parametrize(
    "unit",
    ["1.", "1.0 ", "(", "(1.0)", "[", "&amp;", "a-", "a/", "a--", "-a", "@a", "a_", "0-", "vv", "v1 ", "a1 ", "2024 ", "12 May 2024 ", "Mon ", "to ", "un ",
     "not yet been ", "what's new in ", "1.0, ", "1.0 and ", '"', "`", "rc ", "1.0rc", "x", "\u00e9", "\U0001f680"],
)  # fmt: skip
def test_the_cost_of_a_heading_grows_no_faster_than_the_heading(unit: str) -> None:
    short, long = (f"{filled(unit, characters)}1.0" for characters in (60, 480))
    read_anew: Callable[[str], object] = read_title.__wrapped__
    small = cpu_seconds(lambda: read_anew(short))
    assert costs_less(lambda: read_anew(long), MAX_GROWTH * max(small, 0.000_1))


@pytest.mark.parametrize("unit", ["## 1.0.0\n- a\n", f"## 1{'.1' * 230}\n", "* * *a\n"])
def test_a_megabyte_of_what_costs_much_is_refused_before_it_is_read(unit: str, plain: float) -> None:
    found: list[object] = []
    assert costs_less(lambda: found.append(read(filled(unit, 1_000_000))), 10 * max(plain, TICK))
    assert isinstance(found[0], InvalidInput)


def test_deep_lists_cost_little(plain: float) -> None:
    deep = "".join(" " * (2 * depth) + "- a\n" for depth in range(150))
    assert costs_less(lambda: read(deep), 10 * max(plain, TICK))


def test_a_refusal_says_what_there_is_too_much_of():
    with pytest.raises(InvalidInput, match="76,924 headings and 153,846 lines") as refused:
        Changelog(("## 1.0.0\n- a\n" * 76_924)[:1_000_000], "CHANGELOG.md")
    assert "oldest releases" in (refused.value.hint or "")
