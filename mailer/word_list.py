"""Lists of words in variables, such as "gmail.com, example.org". In TOML a list is an array."""

from __future__ import annotations


def split_words(value: object) -> object:
    """The words of a text, between commas or spaces; whatever is no text as it is."""
    return value.replace(",", " ").split() if isinstance(value, str) else value
