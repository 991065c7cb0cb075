"""GitHub's shortcodes for emoji, such as ``:tada:``."""

from __future__ import annotations

import re

from markdown_it.rules_core import StateCore

SHORTCODE = re.compile(r"(?<![\w:/.]):([a-z0-9_+-]{2,40}):(?![\w:/])")


def expand_shortcodes(text: str) -> str:
    """The text with an emoji for each shortcode that GitHub knows; others stay."""
    return SHORTCODE.sub(_expand, text) if ":" in text else text


def _expand(found: re.Match[str]) -> str:
    import emoji  # noqa: PLC0415 - slow to import, and few notes have shortcodes

    return emoji.emojize(found[0], language="alias")


def shortcode_rule(state: StateCore) -> None:
    """The core rule: expand shortcodes in text; code keeps them."""
    for token in state.tokens:
        for child in token.children or ():
            if child.type == "text":
                child.content = expand_shortcodes(child.content)
