"""HTML inside Markdown: a closed set of tags is supported, all other tags are shown as text.

Attributes are dropped, except a link's address and an image's address, description and width. So no markup that an
author pastes reaches the mail unchanged. Of the sources of a ``<picture>`` those for light and for dark screens are
kept.
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
_MARKER = re.compile(r"<[a-zA-Z][a-zA-Z0-9]*-[^>]*/>")  # release tools write such tags: <csr-id-0123/>
_TRANSPARENT = frozenset(
    {"details", "p", "div", "span", "center", "picture", "source", "font", "summary"}
)  # and a <summary> around paragraphs; one within a paragraph is bold
_VOID = frozenset({"br", "img", "source"})
# What GitHub shows as more than text. Names of one letter are left out: they are as often the parameter of a type, List<T>.
_MARKUP = frozenset({name for name in _STYLED if len(name) > 1} | {
    "abbr", "address", "article", "aside", "big", "blockquote", "caption", "cite", "col", "colgroup", "dd", "dfn", "dl", "dt",
    "figcaption", "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "img", "li", "main", "nav", "ol", "pre",
    "ruby", "section", "strike", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "ul", "var",
})  # fmt: skip
SHOWN_TAG = "shown tag"  # in the meta data of a text: it is a tag of HTML
_COLOUR_SCHEME = re.compile(r"\s*\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)\s*", re.IGNORECASE)


def resolve_inline_html(state: StateCore) -> None:
    """The core rule: replace inline HTML by tokens, and remove paragraphs that are empty afterwards."""
    kept: list[Token] = []
    for token in state.tokens:
        if token.type == "inline" and token.children:
            token.children = _resolve(token.children)
        kept.append(token)
        if token.type == "paragraph_close" and not kept[-2].children and kept[-2].type == "inline":
            del kept[-3:]
    state.tokens = kept


def _resolve(children: list[Token]) -> list[Token]:
    openings = _pair_tags(children)
    resolved: list[Token] = []
    sources: dict[str, str] = {}  # of the picture that is open, by colour scheme
    for index, token in enumerate(children):
        if token.type != "html_inline":
            resolved.append(token)
            continue
        found = _tokens_for(token.content, openings.get(index))
        match _tag_name(token.content):
            case "picture":
                sources = {}
            case "source":
                sources |= _read_source(token.content)
            case "img" if found and found[0].type == "image":
                _set_sources(found[0], sources)
        resolved.extend(found)
    visible = any(token.type != "softbreak" for token in resolved)
    return resolved if visible else []


def _pair_tags(children: list[Token]) -> dict[int, str]:
    """The positions of tags that open and close in one element, each with the source of the opening tag."""
    paired: dict[int, str] = {}
    unclosed: list[tuple[int, str]] = []
    for index, token in enumerate(children):
        name = _tag_name(token.content) if token.type == "html_inline" else ""
        if token.nesting == 1:
            unclosed.append((index, ""))
        elif token.nesting == -1:
            while unclosed and unclosed.pop()[1]:
                pass  # a tag that is not closed inside its Markdown element has no pair
        elif token.content.startswith("</") and name:
            if unclosed and unclosed[-1][1] == name:
                opening, _ = unclosed.pop()
                paired[opening] = paired[index] = children[opening].content
        elif name and name not in _VOID and not token.content.endswith("/>"):
            unclosed.append((index, name))
    return paired


def _tokens_for(source: str, opening: str | None) -> list[Token]:
    """The tokens that replace a tag; `opening` is the source of its opening tag, None if it has no pair."""
    name = _tag_name(source)
    attributes = _read_attributes(opening or source)
    if name == "br":
        return [Token("hardbreak", "br", 0, meta={"html": True})]
    if name == "img" and "src" in attributes:
        return [_image_token(attributes)]
    if name == "a" and opening and (href := normalizeLink(attributes.get("href", ""))):
        return _open_or_close("link", "a", source, href)
    if opening and name in _STYLED:
        return _open_or_close(_STYLED[name], _STYLED[name], source)
    if _is_invisible(source, name, attributes):
        return []
    return [Token("text", "", 0, content=source, meta={SHOWN_TAG: True} if name in _MARKUP else {})]


def _is_invisible(source: str, name: str, attributes: Mapping[str, str]) -> bool:
    """Whether a tag is dropped and its content kept: comments, containers, anchors, and empty elements of a tool's own."""
    return (
        source.startswith("<!--")
        or bool(_MARKER.fullmatch(source))
        or name in _TRANSPARENT
        or (name == "a" and bool(attributes))
    )


def _open_or_close(kind: str, tag: str, source: str, href: str | None = None) -> list[Token]:
    if source.startswith("</"):
        return [Token(f"{kind}_close", tag, -1)]
    return [Token(f"{kind}_open", tag, 1, attrs={"href": href} if href else {})]


def _image_token(attributes: Mapping[str, str]) -> Token:
    width = re.fullmatch(r"\s*(\d{1,4})\s*(?:px)?\s*", attributes.get("width", ""))
    return Token(
        "image",
        "img",
        0,
        attrs={"src": normalizeLink(attributes["src"]), "alt": ""},
        children=[Token("text", "", 0, content=attributes.get("alt", ""))],
        meta={"width": int(width[1])} if width and int(width[1]) > 1 else {},
    )


def _read_source(tag: str) -> dict[str, str]:
    """The address that a ``<source>`` gives for a colour scheme."""
    attributes = _read_attributes(tag)
    scheme = _COLOUR_SCHEME.fullmatch(attributes.get("media", ""))
    addresses = attributes.get("srcset", "").replace(",", " ").split()
    return {scheme[1].lower(): normalizeLink(addresses[0])} if scheme and addresses else {}


def _set_sources(image: Token, sources: Mapping[str, str]) -> None:
    """Give an image its address for light screens; its meta data have the one for dark screens, if it is another."""
    usual = str(image.attrs["src"])
    dark = sources.get("dark", usual)
    image.attrs["src"] = sources.get("light", usual)
    if dark != image.attrs["src"]:
        image.meta["dark"] = dark


def _tag_name(source: str) -> str:
    found = _TAG_NAME.match(source)
    return found[1].lower() if found else ""


def _read_attributes(source: str) -> dict[str, str]:
    parser = _AttributeParser()
    parser.feed(source)
    return parser.attributes


class _AttributeParser(HTMLParser):
    """Reads the attributes of one tag and resolves entities."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.attributes = {name: value or "" for name, value in attrs}
