"""Read release notes: Markdown with front matter, or one version of a changelog."""

from __future__ import annotations

from campaigns.notes.changelog import Changelog, Release, ReleaseStatus
from campaigns.notes.content import (
    brand_of,
    content_hash,
    dump_notes,
    load_notes,
    read_image,
    read_images,
    read_text,
    render_notes,
)
from campaigns.notes.gathering import Frame, announced, gather_notes, heard_lines, passed_over, unheard
from campaigns.notes.markdown import Defaults, read_changelog, read_markdown

__all__ = [
    "Changelog",
    "Defaults",
    "Frame",
    "Release",
    "ReleaseStatus",
    "announced",
    "brand_of",
    "content_hash",
    "dump_notes",
    "gather_notes",
    "heard_lines",
    "load_notes",
    "passed_over",
    "read_changelog",
    "read_image",
    "read_images",
    "read_markdown",
    "read_text",
    "render_notes",
    "unheard",
]
