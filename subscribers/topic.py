"""A topic: something that a person can consent to receive, such as ``release-notes``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NewType

from mailer.config import TOPIC_PATTERN, TopicSettings
from mailer.errors import InvalidInput
from templates.language import Locale

Topic = NewType("Topic", str)
"""A topic's name, as `parse_topic` returns it."""

_GRAMMAR = re.compile(TOPIC_PATTERN)


@lru_cache(maxsize=1000)
def is_topic(name: str) -> bool:
    """Whether `name` follows the grammar: a letter or digit, then letters, digits, dots, hyphens,
    underscores.
    """
    return _GRAMMAR.fullmatch(name) is not None


def parse_topic(name: str, *, where: str | None = None) -> Topic:
    """The topic called `name`. Raises InvalidInput where the name does not follow the grammar."""
    if not is_topic(name):
        raise InvalidInput(
            f"{name[:100]!r} is not a topic.",
            where=where,
            hint="A topic is named with at most 100 letters, digits, dots, hyphens and underscores, "
            "such as release-notes.",
        )
    return Topic(name)


def title_of(topics: Mapping[str, TopicSettings], topic: str, locale: Locale) -> str:
    """The title of a topic in a language, as the settings have it; else in the other one, else its name."""
    found = topics.get(topic)
    if found is None:
        return topic
    in_language = {"nl": found.nl, "en": found.en}
    return in_language[locale] or found.nl or found.en or topic


def wording_of(topics: Mapping[str, TopicSettings], topic: str, locale: Locale) -> str | None:
    """The text in the settings that people agree to on a page, in their language."""
    found = topics.get(topic)
    return None if found is None else {"nl": found.wording_nl, "en": found.wording_en}[locale]
