"""Checks of the notes' Markdown. Markup of other dialects would reach the reader unchanged, so it is a warning."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from markdown_it.token import Token

from mailer.errors import InvalidInput
from templates.lint.findings import Finding
from templates.markdown import SHORTCODE, Document, expand_shortcodes, parse_notes
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
    (re.compile(r"(?<!=)==[^=\s][^=\n]{0,200}==(?!=)"), "a highlight; write <mark>...</mark>"),
    (re.compile(r"\$\$[^$\n]{1,400}\$\$|(?<![\w$])\$[A-Za-z\\][^$\n]{0,200}[\\^_][^$\n]{0,200}\$(?!\w)"), "a formula; write it in words"),
    (re.compile(r"\[\[[^\]\n]{1,200}\]\]"), "a link of a wiki; write [words](address)"),
    (re.compile(r"\{\{[<%].{0,200}?[>%]\}\}|\{%[^%\n]{0,200}%\}"), "a shortcode of a site generator; leave it out"),
    (re.compile(r"</?(?:script|iframe|style|video|audio|object|embed|form|input|button|svg|link|meta)\b[^>]*>?", re.IGNORECASE),
     "HTML that no mail can hold; leave it out"),
)  # fmt: skip
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
        line = token.map[0]
        for child in token.children or ():
            line += child.type in {"softbreak", "hardbreak"}
            if child.type == "text":
                for label in _FOOTNOTE.findall(child.content):
                    yield _warning(label, "a footnote that is written nowhere", notes.where(line))


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
