"""Convert reStructuredText to Markdown: docutils parses it, `writer` writes it. Blocks keep their line
numbers.
"""

from __future__ import annotations

from typing import Any

from docutils.core import publish_doctree
from docutils.utils import SystemMessage

from campaigns.notes.restructured.unknown import learn_names
from campaigns.notes.restructured.writer import Writer
from mailer.errors import InvalidInput

_SETTINGS: dict[str, Any] = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "doctitle_xform": False,
    "docinfo_xform": False,
    "report_level": 5,
    "halt_level": 5,
    "syntax_highlight": "none",
    "smart_quotes": False,
    "_disable_config": True,
    "line_length_limit": 100_000,
}


def markdown_of(text: str, origin: str) -> str:
    """The text as Markdown. Roles and directives of Sphinx become their words.

    Raises InvalidInput where docutils gives up.
    """
    learn_names(text)
    try:
        document = publish_doctree(text, settings_overrides=_SETTINGS)
    except (SystemMessage, RecursionError, ValueError):
        raise InvalidInput("the file is not valid reStructuredText.", where=origin) from None
    lines: list[str] = []
    for line, block in Writer().top_blocks(document, 1):
        # Blank lines keep each block on its own line, as far as the blocks above leave room.
        lines.extend([""] * max(line - 1 - len(lines), 1 if lines else 0))
        lines.extend(block.split("\n"))
    return "\n".join(lines)
