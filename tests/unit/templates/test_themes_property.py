"""Made notes in every theme: no word, link or code span is lost, and both parts have the same order."""

from __future__ import annotations

import os
import re
from itertools import count
from typing import Any

import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st

from templates.lint import Severity, lint
from templates.theme import list_themes
from tests.support.rendered import mail

EXAMPLES = int(os.environ.get("MAILER_TESTS_MADE_NOTES", "12"))
THEMES = [theme.name for theme in list_themes()]
BLOCKS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["heading2", "heading3", "paragraph", "quote", "alert", "button", "picture"])
        ),
        st.tuples(st.sampled_from(["list", "code", "diff"]), st.integers(1, 4)),
        st.tuples(st.just("table"), st.integers(1, 9), st.integers(1, 3)),
    ),
    min_size=1,
    max_size=12,
)


def write(blocks: list[tuple[Any, ...]]) -> str:  # noqa: C901 - one branch for each kind
    """The blocks as Markdown. Each word is there once, so that its place can be compared."""
    number = count()

    def word() -> str:
        return f"word{next(number)}x"

    def block(kind: str, *sizes: int) -> str:  # noqa: PLR0911 - one for each kind
        match kind:
            case "heading2" | "heading3":
                return f"{'#' * int(kind[-1])} {word()} `{word()}`"
            case "quote":
                return f"> {word()} **{word()}**"
            case "alert":
                return f"> [!WARNING]\n> {word()}"
            case "button":
                return f"[{word()}](https://e.x/{word()}){{.button}}"
            case "picture":
                return "![A picture](plan.png)"
            case "list":
                return "\n".join(f"- {word()}\n  - [{word()}](https://e.x/{word()})" for _ in range(sizes[0]))
            case "code":
                return (
                    "```python\n"
                    + "\n".join(f"def {word()}(): return {word()}" for _ in range(sizes[0]))
                    + "\n```"
                )
            case "diff":
                return "```diff\n" + "\n".join(f"-{word()}\n+{word()}" for _ in range(sizes[0])) + "\n```"
            case "table":
                columns, rows = sizes
                lines = [[word() for _ in range(columns)] for _ in range(rows + 1)]
                lines.insert(1, ["--"] * columns)
                return "\n".join(f"| {' | '.join(line)} |" for line in lines)
            case _:
                return f"{word()} {word()} <kbd>{word()}</kbd>"

    return "\n\n".join(block(*one) for one in blocks)


def first_places(text: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r"word\d+x", text)))


@pytest.mark.parametrize("theme", THEMES)
@settings(max_examples=EXAMPLES)
@given(BLOCKS)
def test_nothing_is_lost_and_the_order_is_the_same(theme: str, blocks: list[tuple[Any, ...]]) -> None:
    source = write(blocks)
    rendered = mail(source, theme=theme, preheader="News.")
    page = BeautifulSoup(rendered.html, "html.parser")
    for repeated in page.select(".label, .toc"):
        repeated.decompose()
    for link in page.find_all("a"):
        link.append(f" {link['href']} ")
    for mark in page.find_all("wbr"):
        mark.unwrap()
    page.smooth()
    said = first_places(source)
    assert first_places(page.get_text(" ")) == said
    assert sorted(first_places(rendered.text)) == sorted(said)
    if "table" not in {block[0] for block in blocks}:  # a row that does not fit names each cell
        assert first_places(rendered.text) == said
    spans = set(re.findall(r"(?<!`)`(word\d+x)`", source))
    assert spans <= {code.get_text() for code in page.find_all("code")}
    assert [one for one in lint(rendered) if one.severity is Severity.ERROR] == []
