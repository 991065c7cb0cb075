"""Leave out parts of release notes: kinds of change that are not wanted, and lists of contributors."""

from __future__ import annotations

import re
from collections.abc import Collection

from campaigns.notes.changelog import Outline, outline
from mailer.errors import InvalidInput
from templates.markdown import CHANGE_KINDS, classify_heading

_CONTRIBUTORS = re.compile(
    r"\W*(?:(?:new|first[- ]time|our|all|external|code|the|nieuwe|onze)\s+)*(?:contributors?|contributions|bijdragers)"
    r"(?:\s+(?:to|of|in|aan|van)\s+(?:this|the|deze|de)\s+\w+)?\W*"
    r"|\W*(?:thanks|thank you|special thanks|credits|acknowledge?ments?|met dank aan|dankwoord|bedankt)\b.{0,60}",
    re.IGNORECASE,
)


def parse_kinds(value: str) -> frozenset[str]:
    """The kinds of change in "added,fixed". Raises InvalidInput for one that does not exist."""
    kinds = frozenset(word.strip().lower() for word in value.split(",") if word.strip())
    if not kinds or kinds - CHANGE_KINDS:
        wrong = ", ".join(sorted(kinds - CHANGE_KINDS)) or "nothing"
        raise InvalidInput(
            f"{wrong[:100]} is not a kind of change.",
            where="--only",
            hint=f"There are {', '.join(sorted(CHANGE_KINDS))}.",
        )
    return kinds


def keep_kinds(body: str, kinds: Collection[str], origin: str) -> str:
    """The body with the sections of these kinds of change only, and what stands before the first heading.

    Lines that are left out become empty, so that the numbers of the others stay. Raises InvalidInput where the body
    has no such section.
    """
    found = outline(body)
    named = [classify_heading(heading.text) for heading in found.headings]
    paths = _paths(found)
    kept = {index for index, path in enumerate(paths) if any(named[above] in kinds for above in path)}
    if not kept:
        there = sorted({kind for kind in named if kind})
        raise InvalidInput(
            f"the notes have no section of the kind {' or '.join(sorted(kinds))}.",
            where=origin,
            hint=f"They have {', '.join(there)}." if there else "No heading in them names a kind of change.",
        )
    # A heading above a section that is kept stays, without its own text.
    above = {one for index in kept for one in paths[index]} - kept
    return _without(found, set(range(len(paths))) - kept - above, text_of=above)


def drop_contributors(body: str) -> str:
    """The body without its lists of contributors. Lines that are left out become empty."""
    found = outline(body)
    are_lists = [_CONTRIBUTORS.fullmatch(heading.text) for heading in found.headings]
    dropped = {index for index, path in enumerate(_paths(found)) if any(are_lists[above] for above in path)}
    return _without(found, dropped) if dropped else body


def _paths(found: Outline) -> list[tuple[int, ...]]:
    """For each heading the numbers of the headings that it stands under, and its own."""
    paths: list[tuple[int, ...]] = []
    for index, heading in enumerate(found.headings):
        upper = paths[-1] if paths else ()
        paths.append((*(one for one in upper if found.headings[one].level < heading.level), index))
    return paths


def _without(found: Outline, dropped: Collection[int], text_of: Collection[int] = ()) -> str:
    """The text without the sections `dropped`, and without the text below the headings `text_of`.

    Definitions of links stay, and footnotes that are still referred to.
    """
    places = [(*reference["map"],) for reference in found.references.values()]
    defined = {line for start, end in (*places, *found.footnotes.values()) for line in range(start, end)}
    lines = list(found.lines)
    for index, heading in enumerate(found.headings):
        if index in dropped or index in text_of:
            start = heading.start if index in dropped else heading.end
            end = found.headings[index + 1].start if index + 1 < len(found.headings) else len(lines)
            lines[start:end] = [
                line if at in defined else "" for at, line in enumerate(lines[start:end], start)
            ]
    text = "\n".join(lines)
    for label, (start, end) in found.footnotes.items():
        if text.count(f"[^{label}]") < 2:
            lines[start:end] = [""] * (end - start)
    return "\n".join(lines).rstrip()
