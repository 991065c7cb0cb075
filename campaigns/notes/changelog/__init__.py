"""Changelogs in Markdown: where each release's section begins and ends, and whether it may be mailed.

`headings` are found by a Markdown parser (`outline`), read (`versions`, `dates`, `words`), divided by one principle
(`sections`), and chosen or refused (`selection`).
"""

from campaigns.notes.changelog.selection import Changelog, Release
from campaigns.notes.changelog.versions import Status, Version

__all__ = ["Changelog", "Release", "Status", "Version"]
