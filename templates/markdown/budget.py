"""Bounds on markup, counted before anything is parsed: some of it costs a parser the square of its length."""

from __future__ import annotations

from mailer.errors import InvalidInput
from templates.notes import ReleaseNotes

# Real notes stay far below all of these.
_MOST = {
    "[": 4_000,
    "![": 1_000,
    "<": 5_000,
    "<!": 500,
    "<?": 500,
    "://": 3_000,
    "*": 15_000,
    "_": 20_000,
    "~": 10_000,
    "`": 15_000,
    "|": 15_000,
    "&": 15_000,
    "\\": 20_000,
    "\n": 10_000,
}


def refuse_costly(notes: ReleaseNotes) -> None:
    """Refuse notes with more markup than a mail can show.

    Raises InvalidInput, with the line on which the bound is passed.
    """
    for mark, most in _MOST.items():
        if notes.body.count(mark) > most:
            place = len(mark.join(notes.body.split(mark, most + 1)[: most + 1]))
            name = "lines" if mark == "\n" else f'times "{mark}"'
            raise InvalidInput(
                f"the text has {notes.body.count(mark):,} {name}; the limit is {most:,}.",
                where=notes.where(notes.body.count("\n", 0, place)),
                hint="Shorten the text and link to the rest.",
            )
