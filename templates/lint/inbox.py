"""The checks of what an inbox shows: subject and preheader."""

from __future__ import annotations

import re
from collections.abc import Iterator

from templates.lint.findings import Finding

MAX_SUBJECT_CHARACTERS = 78
MAX_PREHEADER_CHARACTERS = 140
# What is left of a subject without these says something about this release.
_EMPTY_WORDS = re.compile(
    r"\b(?:a|an|the|our|new|newest|latest|in|of|for|is|are|out|here|now|available|this|version|release|released|releases|notes|update"
    r"|updates|updated|change ?log|changes|news|what['’]?s|een|de|het|onze|nieuwe?|nieuws|nieuwste|versie|uitgave|wijzigingen|van"
    r"|voor|beschikbaar|nu|er|is)\b|\bv?\d[\w.+-]*",
    re.IGNORECASE,
)
_FEWEST_CAPITALS = 10


def check_inbox(subject: str, preheader: str) -> Iterator[Finding]:
    """The findings about a subject and a preheader; their places are "subject" and "preheader"."""
    yield from _check_subject(subject)
    yield from _check_preheader(preheader, subject)


def _check_subject(subject: str) -> Iterator[Finding]:
    if not subject.strip():
        yield Finding.of("subject-empty", "The subject is empty.", "subject")
    elif not re.search(r"\w", subject):
        yield Finding.of("subject-emoji-only", "The subject has no words.", "subject")
    elif not re.search(r"[^\W\d_]", _EMPTY_WORDS.sub(" ", subject)):
        yield Finding.of(
            "subject-useless", f"“{subject[:60]}” does not say what is new, or in what.", "subject"
        )
    if any(ord(character) < ord(" ") for character in subject):
        yield Finding.of(
            "subject-control", "The subject contains a line break or a control character.", "subject"
        )
    if len(subject) > MAX_SUBJECT_CHARACTERS:
        yield Finding.of(
            "subject-long",
            f"The subject has {len(subject)} characters. Mail readers cut it off after {MAX_SUBJECT_CHARACTERS},"
            " on a phone after 40.",
            "subject",
        )
    letters = [one for one in subject if one.isupper() or one.islower()]
    if re.search(r"!\s*!|[$€]{2}", subject) or (
        len(letters) >= _FEWEST_CAPITALS and all(one.isupper() for one in letters)
    ):
        yield Finding.of("subject-shouting", "The subject shouts, as spam does.", "subject")


def _check_preheader(preheader: str, subject: str) -> Iterator[Finding]:
    if not preheader.strip():
        yield Finding.of(
            "preheader-missing",
            "There is no preheader, the text that an inbox shows after the subject.",
            "preheader",
        )
    elif preheader.casefold().strip(" .!") == subject.casefold().strip(" .!"):
        yield Finding.of("preheader-repeats", "The preheader repeats the subject.", "preheader")
    elif not re.search(r"[^\W\d_]", _EMPTY_WORDS.sub(" ", preheader)):
        yield Finding.of("preheader-useless", f"“{preheader[:60]}” does not say what is new.", "preheader")
    elif len(preheader) > MAX_PREHEADER_CHARACTERS:
        message = (
            f"The preheader has {len(preheader)} characters; inboxes show up to {MAX_PREHEADER_CHARACTERS}."
        )
        yield Finding.of("preheader-long", message, "preheader")
