"""The Markdown of release notes: parse it, check it, and write it as HTML and as plain text."""

from __future__ import annotations

from templates.markdown.budget import refuse_costly
from templates.markdown.hero import Hero, take_hero
from templates.markdown.html_part import HtmlBody, write_html, write_html_body
from templates.markdown.inline_html import SHOWN_TAG
from templates.markdown.line_breaks import escape_with_breaks
from templates.markdown.parse import (
    MAX_BODY_CHARACTERS,
    Document,
    create_parser,
    ends_line,
    parse_notes,
)
from templates.markdown.preheader import extract_preheader
from templates.markdown.references import Repository, find_repository
from templates.markdown.sections import (
    CHANGE_KINDS,
    Section,
    classify_heading,
    divide,
    group_short,
    plain_words,
)
from templates.markdown.shortcodes import SHORTCODE, expand_shortcodes
from templates.markdown.text_part import write_text

__all__ = [
    "CHANGE_KINDS",
    "MAX_BODY_CHARACTERS",
    "SHORTCODE",
    "SHOWN_TAG",
    "Document",
    "Hero",
    "HtmlBody",
    "Repository",
    "Section",
    "classify_heading",
    "create_parser",
    "divide",
    "ends_line",
    "escape_with_breaks",
    "expand_shortcodes",
    "extract_preheader",
    "find_repository",
    "group_short",
    "parse_notes",
    "plain_words",
    "refuse_costly",
    "take_hero",
    "write_html",
    "write_html_body",
    "write_text",
]
