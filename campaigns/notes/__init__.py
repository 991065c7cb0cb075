"""Release notes as teams write them: Markdown with front matter, or one version of a changelog."""

from __future__ import annotations

from campaigns.notes.changelog import Release, find, releases
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
from campaigns.notes.markdown import Defaults, read_changelog, read_markdown

__all__ = [
    "Defaults",
    "Release",
    "brand_of",
    "content_hash",
    "dump_notes",
    "find",
    "load_notes",
    "read_changelog",
    "read_image",
    "read_images",
    "read_markdown",
    "read_text",
    "releases",
    "render_notes",
]
