"""Text that an operator writes into a record in which no address may stand."""

from __future__ import annotations

import re

from mailer.errors import InvalidInput

_ADDRESS = re.compile(r"\S@\S")


def parse_free_text(raw: str, where: str, longest: int) -> str:
    """One line of text without an email address. Raises InvalidInput, which does not repeat it."""
    text = raw.strip()
    if not text or len(text) > longest or not text.isprintable():
        raise InvalidInput(f"it is to be one line of at most {longest} characters.", where=where)
    if _ADDRESS.search(text):
        raise InvalidInput(
            "it holds an email address, which may stand in no record.",
            where=where,
            hint="Name the organisation, the request or the case number.",
        )
    return text
