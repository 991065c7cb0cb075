"""A number with its noun, in the singular or the plural."""

from __future__ import annotations


def quantity(number: int, one: str, many: str | None = None) -> str:
    """``1 mail``, ``2,000 mails``; `many` is the plural where it is not `one` with an s."""
    return f"{number:,} {noun(number, one, many)}"


def noun(number: int, one: str, many: str | None = None) -> str:
    """The noun that goes with `number`."""
    return one if number == 1 else many or f"{one}s"
