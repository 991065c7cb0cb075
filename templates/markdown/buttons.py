"""A link that is shown as a button: ``[Read the guide](https://example.com){.button}``."""

from __future__ import annotations

from markdown_it.rules_core import StateCore
from markdown_it.token import Token

MARK = "{.button}"


def mark_buttons(state: StateCore) -> None:
    """The core rule: remove the mark after a link, and note on the link that it is a button."""
    for token in state.tokens:
        if token.type == "inline" and MARK in token.content and token.children:
            _mark(token.children)


def is_button_alone(inline: Token) -> bool:
    """Whether a paragraph holds a button and nothing else."""
    children = [
        child
        for child in inline.children or ()
        if child.type != "softbreak" and (child.type != "text" or child.content.strip())
    ]
    links = [child for child in children if child.type == "link_open"]
    return (
        len(links) == 1
        and bool(links[0].meta.get("button"))
        and children[0] is links[0]
        and children[-1].type == "link_close"
    )


def _mark(children: list[Token]) -> None:
    opening: Token | None = None
    for index, child in enumerate(children):
        if child.type == "link_open":
            opening = child
        after = children[index + 1] if index + 1 < len(children) else None
        if child.type == "link_close" and opening and after and after.content.startswith(MARK):
            after.content = after.content.removeprefix(MARK)
            opening.meta = opening.meta | {"button": True}
