"""HTML inside Markdown: a small closed set of tags counts, everything else stays the text that it is.

Attributes are dropped, save a link's address and an image's address and description, so nothing that an author
pastes reaches the mail as markup of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser

from markdown_it.common.normalize_url import normalizeLink
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

_TAG_NAME = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]*)(?=[\s/>])")
_STYLED = {
    **{
        name: name
        for name in ("strong", "em", "code", "kbd", "samp", "sub", "sup", "s", "ins", "mark", "small")
    },
    "b": "strong",
    "i": "em",
    "del": "s",
    "u": "ins",
    "summary": "strong",
}
_TRANSPARENT = frozenset({"details", "p", "div", "span", "center", "picture", "source", "font"})
_VOID = frozenset({"br", "img", "source"})


def known_html(state: StateCore) -> None:
    """The core rule: inline HTML becomes tokens, and paragraphs that held nothing else go."""
    kept: list[Token] = []
    for token in state.tokens:
        if token.type == "inline" and token.children:
            token.children = _resolve(token.children)
        kept.append(token)
        if token.type == "paragraph_close" and not kept[-2].children and kept[-2].type == "inline":
            del kept[-3:]
    state.tokens = kept


def _resolve(children: list[Token]) -> list[Token]:
    openings = _paired(children)
    resolved: list[Token] = []
    for index, token in enumerate(children):
        if token.type != "html_inline":
            resolved.append(token)
        else:
            resolved.extend(_tokens(token.content, openings.get(index)))
    visible = any(token.type != "softbreak" for token in resolved)
    return resolved if visible else []


def _paired(children: list[Token]) -> dict[int, str]:
    """By position, for each tag that is opened and closed in the same element: the source of the opening tag."""
    paired: dict[int, str] = {}
    unclosed: list[tuple[int, str]] = []
    for index, token in enumerate(children):
        name = _name(token.content) if token.type == "html_inline" else ""
        if token.nesting == 1:
            unclosed.append((index, ""))
        elif token.nesting == -1:
            while unclosed and unclosed.pop()[1]:
                pass  # tags left open inside an element of the Markdown close nowhere
        elif token.content.startswith("</") and name:
            if unclosed and unclosed[-1][1] == name:
                opening, _ = unclosed.pop()
                paired[opening] = paired[index] = children[opening].content
        elif name and name not in _VOID and not token.content.endswith("/>"):
            unclosed.append((index, name))
    return paired


def _tokens(source: str, opening: str | None) -> list[Token]:
    """What a tag stands for; `opening` is its pair's opening tag, None where it has no pair."""
    name = _name(source)
    attributes = _attributes(opening or source)
    if name == "br":
        return [Token("hardbreak", "br", 0)]
    if name == "img" and attributes.get("src"):
        return [_image(attributes["src"], attributes.get("alt", ""))]
    if name == "a" and opening and attributes.get("href"):
        return _edge("link", "a", source, normalizeLink(attributes["href"]))
    if opening and name in _STYLED:
        return _edge(_STYLED[name], _STYLED[name], source)
    return [] if _is_silent(source, name, attributes) else [Token("text", "", 0, content=source)]


def _is_silent(source: str, name: str, attributes: Mapping[str, str]) -> bool:
    """Comments, containers and anchors show nothing; what they hold stays."""
    return source.startswith("<!--") or name in _TRANSPARENT or (name == "a" and bool(attributes))


def _edge(kind: str, tag: str, source: str, href: str | None = None) -> list[Token]:
    if source.startswith("</"):
        return [Token(f"{kind}_close", tag, -1)]
    return [Token(f"{kind}_open", tag, 1, attrs={"href": href} if href else {})]


def _image(src: str, alt: str) -> Token:
    return Token(
        "image",
        "img",
        0,
        attrs={"src": normalizeLink(src), "alt": ""},
        children=[Token("text", "", 0, content=alt)],
    )


def _name(source: str) -> str:
    found = _TAG_NAME.match(source)
    return found[1].lower() if found else ""


def _attributes(source: str) -> dict[str, str]:
    reader = _Attributes()
    reader.feed(source)
    return reader.found


class _Attributes(HTMLParser):
    """The attributes of one tag, entities resolved."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.found = {name: value or "" for name, value in attrs}
