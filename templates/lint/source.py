"""Checks of the notes' Markdown. Markup of other dialects would reach the reader unchanged, so it is a warning."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from markdown_it.token import Token

from mailer.errors import InvalidInput
from templates.lint.findings import Finding
from templates.markdown import SHORTCODE, SHOWN_TAG, Document, ends_line, expand_shortcodes, parse_notes
from templates.notes import ReleaseNotes

_BLOCKS = (
    (re.compile(r"^(?:!!!|\?\?\?\+?)\s+\w"), "an admonition of MkDocs; write > [!NOTE]"),
    (re.compile(r"^:\s+\S"), "a definition; the line above it must be the term alone"),
    (re.compile(r"^\[(?:TOC|\[toc\])\]$", re.IGNORECASE), "a table of contents; leave it out"),
    (re.compile(r"^\$\$"), "a formula; write it in words, or as an image"),
    (re.compile(r"^(?:import|export)\s.+\sfrom\s"), "code of MDX; leave it out"),
)
_SPANS = (
    (re.compile(r"\{(?!\.button\})[.#:][^{}\n]{1,80}\}"), "an attribute list; leave it out"),
    (re.compile(r"!?\[[^\[\]\n]{0,200}\]\([^()\n]{0,400}\)\{\w+=[^{}\n]{0,80}\}"), "followed by an attribute list; leave it out"),
    (re.compile(r"(?<!=)==[^=\s][^=\n]{0,200}==(?!=)"), "a highlight; write <mark>...</mark>"),
    (re.compile(r"\$\$[^$\n]{1,400}\$\$|(?<![\w$])\$[A-Za-z\\][^$\n]{0,200}[\\^_][^$\n]{0,200}\$(?!\w)"), "a formula; write it in words"),
    (re.compile(r"\[\[[^\]\n]{1,200}\]\]"), "a link of a wiki; write [words](address)"),
    (re.compile(r"\{\{[<%].{0,200}?[>%]\}\}|\{%[^%\n]{0,200}%\}"), "a shortcode of a site generator; leave it out"),
    (re.compile(r"</?(?:script|iframe|style|video|audio|object|embed|form|input|button|svg|link|meta)\b[^>]*>?", re.IGNORECASE),
     "HTML that no mail can hold; leave it out"),
)  # fmt: skip
_BOLD = re.compile(r"(?<![/*])\*\*(?=[^\s*/])[^*\n]{1,200}\*\*(?!\*)")
_NOT_BOLD = (
    "no bold text: ** does not work between a letter and a space or sign; move it, or write it as code"
)
_LINK = re.compile(r"(?<![\w\]\\])!?\[[^\[\]\n]{1,200}\]\([^()\n]{1,200}(?:\)|$)", re.MULTILINE)
_NO_LINK = "no link or image: write its address without spaces or between < and >, and close the bracket"
_PIPE = re.compile(r"(?<!\\)\|")
_LINE_END = re.compile(r"\r\n?|\n")
_ESCAPED = re.compile(r"\\[*\[\]()]")
_LOST = r"left out: the row has more cells than the head of the table; write \| for a | within a cell, also in code"
_FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]")
_MAX_SHOWN_CHARACTERS = 40


def lint_notes(notes: ReleaseNotes, *, image_hosts: Collection[str] = ()) -> tuple[Finding, ...]:
    """The warnings about the notes' Markdown, in order, each with file and line. Code is not checked.

    Notes that a mail can't hold have none: making the mail refuses them, with the reason.
    """
    findings: list[Finding] = []
    for edition in notes.editions:
        try:
            findings += _findings(parse_notes(edition, image_hosts=image_hosts))
        except InvalidInput:
            continue
    return tuple(findings)


def _findings(document: Document) -> Iterator[Finding]:
    notes = document.notes
    for token in document.tokens:
        if token.type != "inline" or not token.map:
            continue
        for offset, source in enumerate(_without_code(token).split("\n")):
            where = notes.where(token.map[0] + offset)
            yield from (_warning(found, what, where) for found, what in _unsupported(source))
        for offset, shown in enumerate(_shown_lines(token)):
            where = notes.where(token.map[0] + offset)
            yield from (_warning(found[0], _NOT_BOLD, where) for found in _BOLD.finditer(shown))
            yield from (_warning(found[0], _NO_LINK, where) for found in _LINK.finditer(shown))
    for child, where in document.inline_tokens():
        if child.type != "text":
            continue
        for label in _FOOTNOTE.findall(child.content):
            yield _warning(label, "a footnote that is written nowhere", where)
        if SHOWN_TAG in child.meta:
            yield _warning(
                child.content, "HTML that readers would see; write it in Markdown, or as code", where
            )
    yield from _lost_cells(document)


def _shown_lines(inline: Token) -> list[str]:
    """The text of a paragraph as it is shown, without code; nothing where the source escapes a sign that is looked for."""
    if _ESCAPED.search(inline.content):
        return []
    pieces = (
        one.content if one.type == "text" else "\n" if ends_line(one) else "…"
        for one in inline.children or ()
    )
    return "".join(pieces).split("\n")


def _lost_cells(document: Document) -> Iterator[Finding]:
    """Rows with more cells than the head of their table: the last ones are left out, as on GitHub."""
    lines = _LINE_END.split(document.notes.body)
    columns = 0
    for token in document.tokens:
        if token.type == "table_open":
            columns = 0
        columns += token.type == "th_open"
        if token.type != "tr_open" or not token.map:
            continue
        row = lines[token.map[0]].strip("> \t").removeprefix("|").removesuffix("|")
        lost = [cell.strip() for cell in _PIPE.split(row)[columns:]] if columns else []
        if any(lost):
            yield _warning(" | ".join(lost), _LOST, document.notes.where(token.map[0]))


def _without_code(inline: Token) -> str:
    """The source of a paragraph without the code in it. Code that spans lines stays."""
    pieces: list[str] = []
    end = 0
    for child in inline.children or ():
        if child.type == "code_inline":
            start = inline.content.find(f"{child.markup}{child.content}{child.markup}", end)
            if start >= 0:
                pieces.append(inline.content[end:start])
                end = start + len(child.content) + 2 * len(child.markup)
    return "".join([*pieces, inline.content[end:]])


def _unsupported(line: str) -> Iterator[tuple[str, str]]:
    """The unsupported markup in a line, each with a description."""
    yield from ((line, what) for pattern, what in _BLOCKS if pattern.match(line))
    for pattern, what in _SPANS:
        yield from ((found[0], what) for found in pattern.finditer(line))
    for found in SHORTCODE.finditer(line):
        if expand_shortcodes(found[0]) == found[0]:
            yield found[0], "no emoji that GitHub knows; leave it out"


def _warning(source: str, what: str, where: str) -> Finding:
    shown = source if len(source) <= _MAX_SHOWN_CHARACTERS else f"{source[:_MAX_SHOWN_CHARACTERS]}…"
    return Finding.of("markup-unsupported", f"“{shown}” is {what}.", where)
