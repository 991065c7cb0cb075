"""A bound on the work of reading a changelog, counted before anything is parsed."""

from __future__ import annotations

import re

from mailer.errors import InvalidInput

_MOST = 2_500  # a megabyte of the densest of 165 real changelogs costs 2,500; the largest whole one 600
_MOST_BY_LINE = 1_000
# What there may be a lot of, and what one of it costs, roughly in milliseconds.
_COSTS = (
    ("headings", re.compile(r"^ {0,3}#", re.MULTILINE), 0.1),
    ("headings with links", re.compile(r"^ {0,3}#.*\]\(", re.MULTILINE), 0.05),
    ("underlined headings", re.compile(r"^ {0,3}(?:=+|--+)[ \t]*$", re.MULTILINE), 0.05),
    ("lines", re.compile(r"\r\n?|\n"), 0.02),
    ("items", re.compile(r"^[ \t]*[-*+][ \t]", re.MULTILINE), 0.01),
    ("numbered items", re.compile(r"^[ \t]*\d{1,9}[.)]\s", re.MULTILINE), 0.2),
    ("nested items on a line", re.compile(r"^(?:[ \t]*(?:[-*+][ \t]+|>[ \t]?)){2,}", re.MULTILINE), 0.8),
    ("definitions", re.compile(r"^ {0,3}(?:\[[^\]\n]{1,100}\]:|[:~][ \t])", re.MULTILINE), 0.06),
    ("terms with definitions", re.compile(r"^ {0,3}[:~][ \t]", re.MULTILINE), 0.2),
    ("lines in bold", re.compile(r"^ {0,3}(?:\*\*|__)", re.MULTILINE), 0.1),
    ("tables", re.compile(r"^[ |]*:?-+:? *\|", re.MULTILINE), 0.25),
)
_HEADING = re.compile(r"^ {0,3}#.{0,500}", re.MULTILINE)
_LINK_TARGET = re.compile(r"\]\([^)]*\)")
_CHARACTER_COST = 0.003  # of a heading, the addresses of its links left out


def refuse_endless(text: str, origin: str, *, by_line: bool = False) -> None:
    """Raise InvalidInput where reading the changelog would take much longer than a second.

    `by_line`: no heading names a version, so each line is read, which costs more.
    """
    counted = [(len(pattern.findall(text)), cost, name) for name, pattern, cost in _COSTS]
    headings = "\n".join(_HEADING.findall(text))
    counted.append((len(_LINK_TARGET.sub("", headings)), _CHARACTER_COST, "characters in headings"))
    if sum(count * cost for count, cost, _ in counted) > (_MOST_BY_LINE if by_line else _MOST):
        most = sorted(counted, key=lambda one: one[0] * one[1], reverse=True)[:2]
        raise InvalidInput(
            f"the changelog has {' and '.join(f'{count:,} {name}' for count, _, name in most if count)}, which is more than "
            "can be read.",
            where=origin,
            hint="Leave out its oldest releases, or give the notes as a file of their own: mailer campaigns create NOTES.md",
        )
