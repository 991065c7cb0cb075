"""Halves of characters, as which Python keeps bytes that are not UTF-8 (PEP 383)."""

from __future__ import annotations


def has_lone_surrogate(text: str) -> bool:
    """Whether `text` can't be written as UTF-8: no file, database or mail takes it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
