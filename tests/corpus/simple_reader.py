"""A second reader of changelogs, written apart: slow, simple, and on another Markdown parser (cmark-gfm).

It knows nothing of forms, packages or doubts. A heading begins a version where the version comes first but for words that
mean "version", or where the words before it stand before other versions too.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from bs4 import BeautifulSoup, Tag
from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options

_MEANS_VERSION = {
    "version",
    "versio",
    "release",
    "changes",
    "with",
    "in",
    "what's",
    "new",
    "the",
    "of",
    "rust",
}
_OLDER = {"older", "earlier", "prior", "previous"}
_MONTHS = {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
_VERSION = re.compile(r"(?:(@?[A-Za-z][\w./-]*?)(?:@|-v?|/v))?v?(\d+(?:\.\d+)+[^\s]*)$")


@dataclass(frozen=True)
class Begun:
    """A heading that begins versions: its line from 1, its level."""

    versions: tuple[str, ...]
    line: int
    level: int
    is_pure: bool
    is_dated: bool


def sections(text: str) -> dict[tuple[str, int], int]:
    """By version and the line of its heading: the last line of its section, blank ones at its end left out."""
    lines = re.split(r"\r\n?|\n", text.removeprefix("\ufeff"))
    begun = _begun("\n".join(lines))
    found: dict[tuple[str, int], int] = {}
    for index, one in enumerate(begun):
        end = len(lines)
        for other in begun[index + 1 :]:
            is_release = (
                other.is_pure
                and one.is_dated
                and other.is_dated
                and not set(one.versions) & set(other.versions)
            )
            if other.level <= one.level or is_release:
                end = other.line - 1
                break
        while end > one.line and re.fullmatch(r"\s*(?:<details>|<summary>.*</summary>)?\s*", lines[end - 1]):
            end -= 1
        for version in one.versions:
            found[version, one.line] = end
    return found


def _begun(text: str) -> list[Begun]:
    html = github_flavored_markdown_to_html(
        text, options=Options.CMARK_OPT_SOURCEPOS | Options.CMARK_OPT_UNSAFE
    )
    page = BeautifulSoup(html, "html.parser")
    headings = [
        one
        for one in page.find_all(re.compile("^h[1-6]$"), attrs={"data-sourcepos": True})
        if not one.find_parent(["li", "blockquote", "td"])
    ]
    read = [(heading, _words(heading)) for heading in headings]
    before = Counter(" ".join(_before(words)) for _, words in read if _first(words) is not None)
    begun = []
    for heading, words in read:
        first = _first(words)
        line = int(str(heading["data-sourcepos"]).split(":")[0])
        if words and (words[0] in _OLDER or re.fullmatch(r"\d+\.x", words[0])):
            begun.append(Begun((), line, int(heading.name[1]), is_pure=False, is_dated=False))
            continue
        prefix = [word for word in _before(words) if word not in _MEANS_VERSION]
        if first is None or (prefix and before[" ".join(_before(words))] < 2 and not _is_dated(words)):
            continue
        if set(words) & {"to", "from", "since"} or "for" in prefix:
            continue
        others = [word for word in words[first + 1 :] if _VERSION.match(word)]
        rest = [
            word
            for word in words
            if not _VERSION.match(word) and not _is_date(word) and word not in _MEANS_VERSION
        ]
        versions = tuple(_VERSION.match(word)[2] for word in [words[first], *others])
        begun.append(Begun(versions, line, int(heading.name[1]), not rest, _is_dated(words)))
    return begun


def _words(heading: Tag) -> list[str]:
    text = re.sub(r"[^\w\s@.+/'-]", " ", heading.get_text().replace("’", "'").lower())
    text = re.sub(r"(\d)/(\d)", r"\1 \2", re.sub(r"(\d) (rc|beta|alpha) (\d)", r"\1-\2.\3", text))
    return [word.strip(".-/'_") for word in text.split() if word.strip(".-/'_")]


def _is_date(word: str) -> bool:
    return (
        bool(
            re.fullmatch(
                r"(?:19|20)\d\d[-/.]\d{1,2}[-/.]\d{1,2}(?:t.*)?|\d{1,2}[-/]\d{1,2}[-/](?:20)?\d\d|(?:19|20)\d\d|\d{1,2}(?:st|nd|rd|th)?",
                word,
            )
        )
        or word[:3] in _MONTHS
    )


def _is_dated(words: list[str]) -> bool:
    return any(re.match(r"(?:19|20)\d\d(?:$|[-/])", word) for word in words)


def _first(words: list[str]) -> int | None:
    return next(
        (index for index, word in enumerate(words) if _VERSION.match(word) and not _is_date(word)), None
    )


def _before(words: list[str]) -> list[str]:
    first = _first(words)
    return [word for word in words[: first or 0] if not _is_date(word)]
