"""Reads in the HTML of a mail what axe-core's rules for pages ask, where a mail can break them.

Contrast, headings and layout tables are in `structure`, links and pictures in `mail_contents`. docs/lint.md names the
rule behind each check (axe-core 4, https://github.com/dequelabs/axe-core/blob/develop/doc/rule-descriptions.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from templates.html_reader import VOID_TAGS

_LISTS = {
    "li": frozenset({"ul", "ol", "menu"}),
    "dt": frozenset({"dl", "div"}),
    "dd": frozenset({"dl", "div"}),
}
_ITEMS = {"ul": frozenset({"li"}), "ol": frozenset({"li"}), "dl": frozenset({"dt", "dd", "div"})}
_HARMLESS = frozenset({"script", "template", "style"})
_NAMES = ("aria-label", "aria-labelledby", "title")
_LOCKED = re.compile(r"user-scalable\s*=\s*(?:no|0)\b|maximum-scale\s*=\s*(?:0|1)(?:\.\d+)?(?![\d.])")
_DEEPEST = 300  # elements inside each other


@dataclass(slots=True)
class Accessibility:
    """What a screen reader finds. `misplaced` names elements of lists that stand outside a list, and others inside one."""

    title: str = ""
    has_main: bool = False
    has_top_heading: bool = False
    is_zoom_locked: bool = False
    misplaced: set[str] = field(default_factory=set)
    nameless: set[str] = field(default_factory=set)
    hidden_links: int = 0


class AccessibilityListener:
    """Gathers it while the HTML is read."""

    def __init__(self) -> None:
        self.found = Accessibility()
        self._open: list[
            tuple[str, bool]
        ] = []  # each open element, and whether it is hidden from screen readers

    def opened(self, tag: str, attributes: dict[str, str]) -> None:
        above, is_hidden = self._open[-1] if self._open else ("", False)
        is_hidden = is_hidden or attributes.get("aria-hidden") == "true"
        role = attributes.get("role", "")
        self.found.has_main |= tag == "main" or role == "main"
        self.found.has_top_heading |= tag == "h1" and not is_hidden
        if tag == "meta" and attributes.get("name", "").lower() == "viewport":
            self.found.is_zoom_locked |= bool(_LOCKED.search(attributes.get("content", "").lower()))
        if above not in _LISTS.get(tag, {above}):
            self.found.misplaced.add(f"<{tag}> outside a list")
        if tag not in _ITEMS.get(above, {tag}) | _HARMLESS:
            self.found.misplaced.add(f"<{tag}> between the items of a list")
        if role == "img" and tag != "img" and not any(attributes.get(name, "").strip() for name in _NAMES):
            self.found.nameless.add(f'<{tag} role="img">')
        if tag == "a" and "href" in attributes and is_hidden:
            self.found.hidden_links += 1
        if tag not in VOID_TAGS and len(self._open) < _DEEPEST:
            self._open.append((tag, is_hidden))

    def closed(self, tag: str) -> None:
        at = next(
            (index for index in range(len(self._open) - 1, -1, -1) if self._open[index][0] == tag), None
        )
        if at is not None:
            del self._open[at:]

    def said(self, text: str, *, is_style: bool) -> None:
        if not is_style and self._open and self._open[-1][0] == "title":
            self.found.title += text

    def commented(self, text: str) -> None:
        """Screen readers do not read Outlook's branches."""
