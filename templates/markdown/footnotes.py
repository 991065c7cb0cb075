"""Footnotes: numbered where they are referred to, and listed below the notes.

The plugin collects them at the end; here its tokens become a rule and a numbered list, which both parts can write.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markdown_it.rules_core import StateCore
from markdown_it.token import Token

_LIST_TOKENS = {
    "footnote_block_open": ("ordered_list_open", "ol"),
    "footnote_block_close": ("ordered_list_close", "ol"),
    "footnote_open": ("list_item_open", "li"),
    "footnote_close": ("list_item_close", "li"),
}


def list_footnotes(state: StateCore) -> None:
    """The core rule: replace the plugin's block of footnotes at the end by a numbered list below a rule."""
    start = next((at for at, token in enumerate(state.tokens) if token.type == "footnote_block_open"), None)
    if start is not None:
        block = [token for token in state.tokens[start:] if token.type != "footnote_anchor"]
        listed = [_listed(token) for token in block]
        if all(_is_one_paragraph(item) for item in _items(block)):
            for token in listed:
                token.hidden = token.type in {"paragraph_open", "paragraph_close"}
        state.tokens[start:] = [Token("hr", "hr", 0, markup="---", block=True), *listed]


def _listed(token: Token) -> Token:
    if token.type not in _LIST_TOKENS:
        return token
    kind, tag = _LIST_TOKENS[token.type]
    return Token(kind, tag, token.nesting, block=True)


def _items(block: Sequence[Token]) -> Iterator[list[str]]:
    """The types of the tokens in each footnote."""
    item: list[str] = []
    for token in block[1:-1]:
        if token.type == "footnote_close":
            yield item
            item = []
        elif token.type != "footnote_open":
            item.append(token.type)


def _is_one_paragraph(item: Sequence[str]) -> bool:
    return item == ["paragraph_open", "inline", "paragraph_close"]
