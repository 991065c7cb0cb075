"""Read release notes: Markdown with front matter, one version or a range of a changelog, or a release's JSON."""

from __future__ import annotations

from campaigns.notes.changelog import Changelog, Release, ReleaseStatus, read_title
from campaigns.notes.content import (
    read_images,
    read_text,
)
from campaigns.notes.formats import as_markdown
from campaigns.notes.gathering import Frame, announced, gather_notes, heard_lines, passed_over, unheard
from campaigns.notes.git_remote import cloned_from
from campaigns.notes.markdown import FRONT_MATTER_KEYS, Defaults, check_line, read_changelog, read_markdown
from campaigns.notes.parts import drop_contributors, keep_kinds, parse_kinds
from campaigns.notes.releases import is_release, read_release
from campaigns.notes.text import STDIN, read_source_text

__all__ = [
    "FRONT_MATTER_KEYS",
    "STDIN",
    "Changelog",
    "Defaults",
    "Frame",
    "Release",
    "ReleaseStatus",
    "announced",
    "as_markdown",
    "check_line",
    "cloned_from",
    "drop_contributors",
    "gather_notes",
    "heard_lines",
    "is_release",
    "keep_kinds",
    "parse_kinds",
    "passed_over",
    "read_changelog",
    "read_images",
    "read_markdown",
    "read_release",
    "read_source_text",
    "read_text",
    "read_title",
    "unheard",
]
