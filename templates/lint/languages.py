"""Compare the notes of one release in several languages."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

from mailer.errors import InvalidInput
from templates.lint.findings import Finding
from templates.markdown import Document, classify_heading, parse_notes
from templates.notes import ReleaseNotes


def compare_languages(notes: ReleaseNotes, *, image_hosts: Collection[str] = ()) -> tuple[Finding, ...]:
    """A finding for each language whose sections differ from those of the first: in their kinds, levels, or items.

    Notes that a mail can't hold are not compared: making the mail refuses them, with the reason.
    """
    findings: list[Finding] = []
    try:
        documents = [parse_notes(one, image_hosts=image_hosts) for one in notes.editions]
    except InvalidInput:
        return ()
    (first, sections), *others = [(one.notes, _sections(one)) for one in documents]
    for other, found in others:
        if found != sections:
            at = next(
                (index for index, (a, b) in enumerate(zip(sections, found, strict=False)) if a != b),
                min(len(sections), len(found)),
            )
            message = f"{other.origin} has {_said(found, at)} where {first.origin} has {_said(sections, at)}."
            findings.append(Finding.of("sections-differ", message, other.where(0)))
    return tuple(findings)


def _sections(document: Document) -> list[tuple[int, str, int]]:
    """Each section: the level of its heading, the kind of change that it names, and the number of items below it."""
    found: list[tuple[int, str, int]] = [(0, "", 0)]
    tokens = document.tokens
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            found.append((int(token.tag[1]), classify_heading(tokens[index + 1].content) or "", 0))
        elif token.type == "list_item_open":
            level, kind, items = found[-1]
            found[-1] = level, kind, items + 1
    return found


def _said(sections: list[tuple[int, str, int]], at: int) -> str:
    section = next(islice(sections, at, None), None)
    if section is None:
        return "no further section"
    level, kind, items = section
    name = (
        f"a section “{kind}”" if kind else "an introduction" if level == 0 else f"a heading of level {level}"
    )
    return f"{name} with {items} {'item' if items == 1 else 'items'}"
