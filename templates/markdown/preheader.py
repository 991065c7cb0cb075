"""Derive the preheader, the line that an inbox shows after the subject, from the notes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from babel.dates import get_month_names
from markdown_it.token import Token

from templates.language import LOCALES
from templates.markdown.parse import Document
from templates.markdown.sections import classify_heading

_HOLDERS = frozenset({"paragraph_open", "td_open"})
# Commits, ranges, versions, issue numbers, mentions: they say nothing to a reader.
_MARKS = re.compile(
    r"(?<![\w/])(?:[0-9a-f]{6,40}|v?\d[\w.-]*|[#!]\d+|@[\w-]+)(?:\.{2,3}\S+)?(?![\w/])|https?://\S+",
    re.IGNORECASE,
)
_EMPTY_WORDS = re.compile(
    r"\b(?:full|changelog|change ?log|diff|compare|commits?|release|released|notes|date|status|version|versie|on|of|by|in|the|a"
    r"|see|all|changes?|what['’]?s|changed|new|contributors?|features?|bug|fix(?:es|ed)?|added|removed|minor|major|patch"
    r"|uitgebracht|op|datum|van|de|het|wijzigingen|nieuw|unreleased|and|en)\b",
    re.IGNORECASE,
)


def extract_preheader(document: Document, limit: int) -> str:
    """The first sentence of the notes with content, in at most `limit` characters.

    Dates, bare links, ranges of commits and names of sections are skipped. If nothing else is left, it is empty.
    """
    said = (
        text for inline in _inlines(document.tokens) if (text := _words(inline)) and _says_something(text)
    )
    return textwrap.shorten(next(said, ""), limit, placeholder="…")


def _inlines(tokens: list[Token]) -> Iterator[Token]:
    """Paragraphs and cells; those that contain only links come last."""
    found = [inline for holder, inline in pairwise(tokens) if holder.type in _HOLDERS and inline.children]
    yield from (inline for inline in found if not _is_link(inline))
    yield from (inline for inline in found if _is_link(inline))


def _is_link(inline: Token) -> bool:
    """Whether all words are in links."""
    depth = 0
    for child in inline.children or ():
        depth += child.nesting if child.type.startswith("link_") else 0
        if depth == 0 and child.type in {"text", "code_inline"} and re.search(r"\w", child.content):
            return False
    return True


def _words(inline: Token) -> str:
    return " ".join("".join(map(_text, inline.children or ())).split())


def _text(token: Token) -> str:
    if token.type in {"softbreak", "hardbreak"}:
        return " "
    return token.content if token.type in {"text", "code_inline", "text_special"} else ""


def _says_something(text: str) -> bool:
    if classify_heading(text.rstrip(":")):
        return False
    rest = _month_names().sub(" ", _MARKS.sub(" ", text))
    if re.search(r"[^\W\d_]{2,}", _EMPTY_WORDS.sub(" ", rest)):
        return True
    # "Added new features" has only empty words, but it is a sentence.
    return len(re.findall(r"[^\W\d_]{2,}", rest)) > 3 and text.endswith((".", "!"))


@cache
def _month_names() -> re.Pattern[str]:
    names = {
        name.rstrip(".")
        for locale in LOCALES
        for width in ("wide", "abbreviated")
        for name in get_month_names(width, locale=locale).values()
    }
    return re.compile(
        rf"\b(?:{'|'.join(sorted(map(re.escape, names), key=len, reverse=True))})\b", re.IGNORECASE
    )
