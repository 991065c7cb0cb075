"""The sign-up form as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SignUpForm:
    """A topic's title, and the text that people agree to."""

    title: str
    wording: str
