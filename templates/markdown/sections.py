"""The sections of a document: where each begins, which kind of change it names, and what it says in few words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from markdown_it.token import Token

from templates.markdown.parse import TOP_HEADING, Document

# The kinds of change in Keep a Changelog 1.1.0, with the headings that teams write for them.
# mail/prose.css.j2 has a colour for each.
_CHANGE_KINDS = {
    "added": r"added|new( features?)?|features?( (&|and) improvements)?|toegevoegd|nieuw",
    "changed": r"changed|changes?|improve(d|ments?)|enhancements?|performance( improvements)?|refactor(ing)?|gewijzigd|veranderd|verbeterd|verbeteringen",
    "deprecated": r"deprecated|deprecations?|verouderd|vervalt",
    "removed": r"removed|removals?|deprecations? and removals?|verwijderd|vervallen",
    "fixed": r"fixed|(bug ?)?fix(es)?|opgelost|hersteld|gerepareerd",
    "security": r"security( fixes)?|veiligheid|beveiliging",
    "breaking": r"(highlights of )?breaking( changes?)?|backwards?[- ]incompatible( changes?)?|let op",
}
CHANGE_KINDS = frozenset(_CHANGE_KINDS)
_MAX_HIGHLIGHTS = 2
_MAX_CHARACTERS = 72  # of a highlight: a line of a table of contents
_SHORT_CHARACTERS = 320  # a section of fewer shares a card with its neighbours
_LARGE_BLOCKS = frozenset({"fence", "code_block"})
_CLAUSE_END = re.compile(r"(?<=\w\w\w)[.;:!?…](?=\s|$)|\s(?=\()|\s[–—](?=\s)")  # not the dots of "e.g."


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the body that begins with a heading of the second level. `subheadings` are those of the third.

    `highlights` say in a few words what is new: the headings that do not only name a kind of change, else the first
    entries, else the first paragraph. `is_short` tells sections of a few lines.
    """

    title: str
    subheadings: tuple[str, ...]
    highlights: tuple[str, ...]
    is_short: bool
    html: str


def begins_section(token: Token) -> bool:
    """Whether a token is the heading of a section."""
    return token.type == "heading_open" and token.level == 0 and token.tag == f"h{TOP_HEADING}"


def read_section(tokens: Sequence[Token], html: str) -> Section:
    """The section that `tokens` are, from its heading on; `html` is how it is written."""
    headings = [
        (token.tag, plain_words(inline)) for token, inline in pairwise(tokens) if token.type == "heading_open"
    ]
    below = tuple(words for tag, words in headings if tag == f"h{TOP_HEADING + 1}")
    named = [words for words in below if not classify_heading(words)]
    highlights = dict.fromkeys(filter(None, named or _entries(tokens)))
    return Section(
        headings[0][1],
        below,
        tuple(_shorten(one) for one in highlights)[:_MAX_HIGHLIGHTS],
        _is_short(tokens),
        html,
    )


def divide(document: Document) -> tuple[Document, Document]:
    """What comes before the first section, and the sections."""
    tokens = document.tokens
    start = next((index for index, token in enumerate(tokens) if begins_section(token)), len(tokens))
    return replace(document, tokens=tokens[:start]), replace(document, tokens=tokens[start:])


def group_short(sections: Iterable[Section]) -> list[list[Section]]:
    """The sections in their order: short neighbours together, each other one by itself."""
    groups: list[list[Section]] = []
    for section in sections:
        if groups and section.is_short and groups[-1][-1].is_short:
            groups[-1].append(section)
        else:
            groups.append([section])
    return groups


def plain_words(inline: Token) -> str:
    """The words of a paragraph, heading or cell, without markup."""
    words = "".join(_words(child) for child in inline.children or ())
    return " ".join(words.split())


def classify_heading(heading: str) -> str | None:
    """The kind of change that a heading names, or None. Emoji and punctuation are ignored."""
    words = re.sub(r"^\W+|\W+$", "", heading).casefold()
    return next((kind for kind, pattern in _CHANGE_KINDS.items() if re.fullmatch(pattern, words)), None)


def _words(child: Token) -> str:
    if child.type in {"softbreak", "hardbreak"}:
        return " "
    return child.content if child.nesting == 0 else ""


def _entries(tokens: Sequence[Token]) -> Iterator[str]:
    """What each entry of the outermost lists is about; without lists, what the paragraphs begin with."""
    paragraphs = [
        (level, tokens[index + 1])
        for index, token in enumerate(tokens)
        if token.type == "paragraph_open" and (level := _level(tokens, index)) is not None
    ]
    outermost = [inline for level, inline in paragraphs if level] or [inline for _, inline in paragraphs]
    return (_gist(inline) for inline in outermost)


def _level(tokens: Sequence[Token], index: int) -> int | None:
    """1 for the first paragraph of an entry of an outermost list, 0 for one outside of lists and quotes, else None."""
    if tokens[index].level == 0:
        return 0
    before = tokens[index - 1]
    return 1 if before.type == "list_item_open" and before.level == 1 else None


def _gist(inline: Token) -> str:
    """What a paragraph begins with: bold words, or else the first clause, without references in brackets."""
    children = [child for child in inline.children or () if child.type != "text" or child.content]
    if children and children[0].type == "strong_open":
        end = next(index for index, child in enumerate(children) if child.type == "strong_close")
        bold = " ".join("".join(map(_words, children[:end])).split())
        if " " in bold or bold.endswith("."):  # another single word is the part of the product
            return bold.strip(" .:")
    words = plain_words(inline)
    for end_of_clause in _CLAUSE_END.finditer(words):
        clause = words[: end_of_clause.start()].strip()
        if " " in clause:
            return clause
    return words.strip(" .:;")


def _shorten(words: str) -> str:
    if len(words) <= _MAX_CHARACTERS:
        return words
    cut = words[:_MAX_CHARACTERS]
    return f"{cut.rsplit(' ', 1)[0].rstrip(' ,;:')}…"


def _is_short(tokens: Sequence[Token]) -> bool:
    """Whether a section has few words, and neither code nor a picture."""
    inlines = [token for token in tokens if token.type == "inline"]
    return (
        not any(token.type in _LARGE_BLOCKS for token in tokens)
        and not any(child.type == "image" for inline in inlines for child in inline.children or ())
        and sum(len(inline.content) for inline in inlines) <= _SHORT_CHARACTERS
    )
