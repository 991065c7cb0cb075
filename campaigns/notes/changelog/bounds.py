"""A bound on the work of reading a changelog, counted before anything is parsed."""

from __future__ import annotations

import re

from mailer.errors import InvalidInput

_MOST = 1_500  # the largest real changelogs cost 600
# What there may be a lot of, and what one of it costs, roughly in milliseconds.
_COSTS = (
    ("headings", re.compile(r"^ {0,3}#", re.MULTILINE), 0.15),
    ("headings with links", re.compile(r"^ {0,3}#.*\]\(", re.MULTILINE), 0.05),
    ("underlined headings", re.compile(r"^ {0,3}(?:=+|--+)[ \t]*$", re.MULTILINE), 0.05),
    ("lines", re.compile(r"\r\n?|\n"), 0.025),
    ("items", re.compile(r"^[ \t]*[-*+][ \t]", re.MULTILINE), 0.01),
    ("numbered items", re.compile(r"^[ \t]*\d{1,9}[.)]\s", re.MULTILINE), 0.08),
    ("nested items on a line", re.compile(r"^(?:[ \t]*(?:[-*+][ \t]+|>[ \t]?)){3,}", re.MULTILINE), 0.4),
    ("definitions", re.compile(r"^ {0,3}(?:\[[^\]\n]{1,100}\]:|[:~][ \t])", re.MULTILINE), 0.06),
    ("tables", re.compile(r"^[ |]*:?-+:? *\|", re.MULTILINE), 0.1),
)


def refuse_endless(text: str, origin: str) -> None:
    """Raise InvalidInput where reading the changelog would take much longer than a second."""
    counted = [(len(pattern.findall(text)), cost, name) for name, pattern, cost in _COSTS]
    if sum(count * cost for count, cost, _ in counted) > _MOST:
        most = sorted(counted, key=lambda one: one[0] * one[1], reverse=True)[:2]
        raise InvalidInput(
            f"the changelog has {' and '.join(f'{count:,} {name}' for count, _, name in most if count)}, which is more than "
            "can be read.",
            where=origin,
            hint="Leave out its oldest releases, or give the notes as a file of their own: mailer campaigns create NOTES.md",
        )
