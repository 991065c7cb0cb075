"""Release notes' Markdown: parsed, checked, and written as HTML and as text."""

from __future__ import annotations

from templates.markdown.html_part import write_html
from templates.markdown.image_size import width_of
from templates.markdown.parse import (
    LONGEST_BODY,
    MARKER,
    TOP_HEADING,
    Document,
    marker_refused,
    parse_notes,
    parser,
)
from templates.markdown.text_part import opening_words, write_text

__all__ = [
    "LONGEST_BODY",
    "MARKER",
    "TOP_HEADING",
    "Document",
    "marker_refused",
    "opening_words",
    "parse_notes",
    "parser",
    "width_of",
    "write_html",
    "write_text",
]
