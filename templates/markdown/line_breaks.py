"""Places to break words that are too long for a phone. Mail clients drop the styles that say so."""

from __future__ import annotations

from markdown_it.common.utils import escapeHtml

BREAK = "<wbr/>"
LINE_CHARACTERS = 22  # of a word without a place to break: more do not fit a phone of 320 pixels
_AFTER = frozenset("/._-=&?,;:@\\)]}|+")
_LAST_SIMPLE_LETTER = 0x0530  # after Latin, Greek and Cyrillic come scripts whose letters join


def escape_with_breaks(text: str, longest: int) -> str:
    """The text escaped, with a place to break after at most `longest` characters of a word."""
    if len(text) <= longest:
        return escapeHtml(text)
    pieces: list[str] = []
    start = piece = 0
    for position, character in enumerate(text):
        if character.isspace():
            start = position + 1
        elif position - start >= longest:
            # Where there was no place to break, only the next character can have made one.
            first = start + longest // 2 if position - start == longest else position - 1
            cut = _cut(text, first, position)
            if cut is None:
                continue
            pieces.append(escapeHtml(text[piece:cut]))
            start = piece = cut
    return BREAK.join([*pieces, escapeHtml(text[piece:])])


def _cut(text: str, first: int, end: int) -> int | None:
    """Where to break after `first` and up to `end`: after a sign, else at the end, else nowhere."""
    for cut in range(end, first, -1):
        if text[cut - 1] in _AFTER and text[cut] not in _AFTER and ord(text[cut]) < _LAST_SIMPLE_LETTER:
            return cut
    both = text[end - 1 : end + 1]
    is_simple = all(ord(one) < _LAST_SIMPLE_LETTER and (one.isalnum() or one.isascii()) for one in both)
    return end if is_simple else None
