"""A letter's text as HTML, which a phone shows without breaks in the middle of its lines. It loads nothing."""

from __future__ import annotations

import re
from itertools import pairwise

from markupsafe import Markup, escape

from templates.language import Locale

WIDTH = 72  # columns of the text

_ITEM = "- "
_BREAK = Markup("<br>\n")
_STYLE = Markup(  # the size of the letters is that of the reader's program
    "body { max-width: 36em; margin: 0 auto; padding: 1em; font-family: sans-serif; line-height: 1.5;"
    " overflow-wrap: anywhere; } h2 { margin: 2em 0 .5em; font-size: 1em; } p { margin: 0 0 1em; }"
    " ul { margin: 0 0 1em; padding-left: 1.5em; }"
)


def letter_html(text: str, subject: str, locale: Locale) -> str:
    """The letter: a line in capitals is a heading, lines with a hyphen are a list, wrapped lines are joined."""
    blocks = (part for block in re.split(r"\n\s*\n", text.strip()) for part in _parts(block.split("\n")))
    return (
        f'<!doctype html>\n<html lang="{locale}">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(subject)}</title><style>{_STYLE}</style></head>\n<body>\n"
        f"{Markup().join(blocks)}</body>\n</html>\n"
    )


def _parts(lines: list[str]) -> list[Markup]:
    """A block without empty lines: a heading, or a paragraph and the items after it."""
    if len(lines) == 1 and lines[0].isupper():
        return [Markup("<h2>{}</h2>\n").format(lines[0].strip())]
    first = next((number for number, line in enumerate(lines) if line.startswith(_ITEM)), len(lines))
    items: list[list[str]] = []
    for line in lines[first:]:
        if line.startswith(_ITEM):
            items.append([line.removeprefix(_ITEM)])
        else:
            items[-1].append(line)
    parts = [Markup("<p>{}</p>\n").format(_joined(lines[:first]))] if first else []
    if items:
        written = Markup().join(Markup("<li>{}</li>\n").format(_joined(item)) for item in items)
        parts.append(Markup("<ul>\n{}</ul>\n").format(written))
    return parts


def _joined(lines: list[str]) -> Markup:
    """The lines as one, but for breaks that were meant: after a line that had room for the next word."""
    written = escape(lines[0].strip())
    for former, line in pairwise(lines):
        next_word = line.split(maxsplit=1)[0]
        meant = len(former.rstrip()) + 1 + len(next_word) <= WIDTH
        written += (_BREAK if meant else Markup(" ")) + escape(line.strip())
    return written
