"""The outline of a Markdown file: its headings, each with its lines, and nothing of what lies inside lists or code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, list_block
from markdown_it.token import Token

from campaigns.notes.changelog import words
from templates.markdown import create_parser

LOWEST = 7  # the level of what only looks like a heading: below all that are one
_LONGEST = 500  # characters of a line that may be a heading; longer ones are not read word by word
_MOST_MARKUP = 40  # signs of markup in such a line
_MARKUP = "[*_`<~\\&!:"
_BULLET = re.compile(r"[-*+]( {1,4})\S")
_RULE = re.compile(r"[-*_](?:\s*[-*_]){2,}\s*$")
_ATX = re.compile(r"#{1,6}(?:[ \t]|$)")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: its words, its level (1 to 6; LOWEST for a line in bold or a bare one), its lines (from 0)."""

    text: str
    level: int
    start: int
    end: int
    is_struck: bool = False

    @property
    def line(self) -> int:
        """The line in the file, counted from 1."""
        return self.start + 1


@dataclass(frozen=True, slots=True)
class Outline:
    """A file as lines and headings. `leads` are the first words under a heading, by the line the heading ends on.

    `references` are the definitions of links by their label; `footnotes` the lines of footnotes, from the first up to
    the one after the last.
    """

    lines: tuple[str, ...]
    headings: tuple[Heading, ...]
    leads: dict[int, str]
    references: dict[str, Any]
    footnotes: dict[str, tuple[int, int]]


def outline(text: str) -> Outline:
    """The outline of a file. Headings inside lists, quotes and code are none."""
    lines = lines_of(text)
    environment: dict[str, Any] = {}
    tokens = _block_parser().parse("\n".join(lines), environment)
    read = _Words(environment)
    headings = tuple(_headings(tokens, read))
    footnotes = {
        token.meta["label"]: (token.map[0], token.map[1])
        for token in tokens
        if token.type == "footnote_reference_open" and token.map
    }
    return Outline(lines, headings, _leads(tokens, read), environment.get("references", {}), footnotes)


def looking_like_headings(found: Outline) -> tuple[Heading, ...]:
    """Lines that may stand for headings where a file has no better ones: in bold, bare, or as an item of a list."""
    environment: dict[str, Any] = {}
    markdown = _create_parser()
    markdown.core.ruler.enableOnly(["normalize", "block"])
    tokens = markdown.parse("\n".join(found.lines), environment)
    read = _Words(environment)
    looking = []
    for opening, inline in pairwise(tokens):
        in_list = opening.level == 2 and opening.type == "paragraph_open"
        if opening.type == "paragraph_open" and opening.map and (opening.level == 0 or in_list):
            start = opening.map[0]
            first = inline.content.split("\n", 1)[0]
            text, struck = read.of(first)
            looking.append(Heading(text, LOWEST + in_list, start, start + 1, struck))
    return tuple(looking)


def lines_of(text: str) -> tuple[str, ...]:
    """The lines of a file as CommonMark counts them: form feeds and the like end none."""
    return tuple(re.split(r"\r\n?|\n", text.removeprefix("\ufeff")))


def _block_parser() -> MarkdownIt:
    """Blocks only: of a megabyte of changelog few lines are ever read word by word."""
    markdown = _create_parser()
    markdown.core.ruler.enableOnly(["normalize", "block"])
    markdown.block.ruler.at("list", _skip_list, {"alt": ["paragraph", "reference", "blockquote"]})
    return markdown


def _create_parser() -> MarkdownIt:
    """A parser that leaves the addresses of links as they are: nothing here uses them."""
    markdown = create_parser()
    markdown.normalizeLink = lambda url: url  # type: ignore[method-assign]
    return markdown


def _skip_list(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's
    """Pass over a plain list without looking inside; whatever is not plain goes to markdown-it's own rule."""
    if silent or state.level or (last := _end_of_plain_list(state, start, end)) is None:
        return list_block(state, start, end, silent)
    state.line = last
    return True


def _end_of_plain_list(state: StateBlock, start: int, end: int) -> int | None:
    """The line after a list whose every line is an item at the margin, or is indented as that item's content."""
    offset, after_blank = 0, False
    for line in range(start, end):
        if state.isEmpty(line):
            after_blank = True
            continue
        text = state.src[state.bMarks[line] : state.eMarks[line]]
        item = _BULLET.match(text)
        if "]:" in text or "\t" in text or _RULE.match(text):
            return None
        if item:
            offset = 1 + len(item[1])
        elif line == start or not text.startswith(" " * offset):
            return line if line > start and (after_blank or _ATX.match(text)) and text[0] != " " else None
        after_blank = False
    return end


def _headings(tokens: Sequence[Token], read: _Words) -> Iterator[Heading]:
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open" and opening.level == 0 and opening.map:
            text, struck = read.of(inline.content)
            yield Heading(text, int(opening.tag[1]), opening.map[0], opening.map[1], struck)


def _leads(tokens: Sequence[Token], read: _Words) -> dict[int, str]:
    """The first paragraph under each heading that may name a version, where it is one line, also where it is quoted."""
    leads = {}
    for index, token in enumerate(tokens):
        if token.type != "heading_close" or token.level or not (place := tokens[index - 2].map):
            continue
        if not words.may_name_a_version(tokens[index - 1].content):
            continue
        below = iter(tokens[index + 1 : index + 4])
        inline = next((one for one in below if one.type not in {"blockquote_open", "paragraph_open"}), None)
        if inline and inline.type == "inline" and "\n" not in inline.content:
            leads[place[1]] = read.of(inline.content)[0]
    return leads


class _Words:
    """What a line says without its markup, read with the definitions of its file."""

    def __init__(self, environment: dict[str, Any]) -> None:
        self._markdown = _create_parser()
        self._references = environment.get("references", {})

    def of(self, source: str) -> tuple[str, bool]:
        """The words, and whether they begin struck out."""
        if len(source) > _LONGEST or not 0 < sum(map(source.count, _MARKUP)) <= _MOST_MARKUP:
            return " ".join(source[: 2 * _LONGEST].split()), False
        children = self._markdown.parseInline(source, {"references": self._references})[0].children or []
        struck = bool(children) and children[0].type == "s_open"
        return " ".join("".join(_text(child) for child in children).split()), struck


def _text(token: Token) -> str:
    if token.type == "code_inline":
        return f"`{token.content}`"
    return {"text": token.content, "softbreak": " ", "hardbreak": " "}.get(token.type, "")
