"""Changelogs in Markdown: where each release's section begins and ends, and whether it may be mailed.

Headings are found by a Markdown parser (`outline`), read (`titles`, `version`, `dates`, `words`), chosen (`beginnings`), divided
by one principle (`sections`), and given out or refused (`selection`).
"""

from campaigns.notes.changelog.outline import Outline, lines_of, outline
from campaigns.notes.changelog.selection import Changelog, Release
from campaigns.notes.changelog.titles import ReleaseStatus, read_title
from campaigns.notes.changelog.version import Version, key_of

__all__ = [
    "Changelog",
    "Outline",
    "Release",
    "ReleaseStatus",
    "Version",
    "key_of",
    "lines_of",
    "outline",
    "read_title",
]
