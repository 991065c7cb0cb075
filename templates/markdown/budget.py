"""Limits on markup, checked before parsing: the time to parse some markup grows with the square of its length."""

from __future__ import annotations

from collections.abc import Callable

from mailer.errors import InvalidInput

# Real notes have far less of each.
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
    "^": 5_000,
    "]": 5_000,
    "{": 8_000,
    "$": 8_000,
    "=": 20_000,
    ":": 15_000,
    "`": 15_000,
    "|": 15_000,
    "&": 15_000,
    "\\": 20_000,
    "\n": 10_000,
    "\n:": 1_000,
    "\n#": 2_000,
    "\n--": 2_000,
    "\n==": 2_000,
}
_NAMES = {"\n": "lines"} | {
    mark: f'lines that begin with "{mark[1:]}"' for mark in _MOST if mark.startswith("\n") and mark != "\n"
}


def refuse_costly(body: str, where: Callable[[int], str]) -> None:
    """Refuse notes with more markup than a mail can show. `where` names a line, counted from 0, of `body`.

    Raises InvalidInput, with the line on which the bound is passed.
    """
    for mark, most in _MOST.items():
        if body.count(mark) > most:
            place = len(mark.join(body.split(mark, most + 1)[: most + 1]))
            name = _NAMES.get(mark, f'times "{mark}"')
            raise InvalidInput(
                f"the text has {body.count(mark):,} {name}; the limit is {most:,}.",
                where=where(body.count("\n", 0, place)),
                hint="Shorten the text and link to the rest.",
            )
