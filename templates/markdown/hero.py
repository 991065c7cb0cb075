"""The picture of the notes' introduction, for themes that show it below the title."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from markdown_it.token import Token

from mailer.message import InlineImage
from templates.markdown.image_size import read_image_width
from templates.markdown.parse import Document
from templates.markdown.sections import plain_words

_MIN_PIXELS = 480  # a narrower picture would be enlarged


@dataclass(frozen=True, slots=True)
class Hero:
    """A picture as wide as the mail: its source, its description, where it links to, and its source for dark screens."""

    source: str
    alt: str
    href: str | None
    dark: str | None = None


def take_hero(document: Document, images: Mapping[str, InlineImage]) -> tuple[Hero | None, Document]:
    """The only picture before the first heading, and the document without it; None and the whole document where there
    is none, or several.
    """
    tokens = document.tokens
    end = next((index for index, token in enumerate(tokens) if token.type == "heading_open"), len(tokens))
    pictures = [index for index in range(1, end) if _is_picture(tokens, index)]
    hero = _hero(tokens[pictures[0]].children or [], images) if len(pictures) == 1 else None
    if hero is None:
        return None, document
    rest = tokens[: pictures[0] - 1] + tokens[pictures[0] + 2 :]
    return hero, replace(document, tokens=rest)


def _is_picture(tokens: Sequence[Token], index: int) -> bool:
    """Whether a paragraph of its own holds one image and nothing else, with or without a link around it."""
    token = tokens[index]
    if token.type != "inline" or tokens[index - 1].type != "paragraph_open" or tokens[index - 1].level:
        return False
    shown = [one.type for one in token.children or () if not one.type.startswith("link_")]
    return [one for one in shown if one != "softbreak"] == ["image"]


def _hero(children: Sequence[Token], images: Mapping[str, InlineImage]) -> Hero | None:
    image = next(one for one in children if one.type == "image")
    source, width = str(image.attrs["src"]), image.meta.get("width")
    if not urlsplit(source).scheme:
        enclosed = images.get(unquote(source))
        if enclosed is None:
            return None  # writing the body reports it
        source = f"cid:{enclosed.content_id}"
        width = width or read_image_width(enclosed.data)
    if (width or 0) < _MIN_PIXELS:
        return None
    href = next((str(one.attrs["href"]) for one in children if one.type == "link_open"), None)
    dark: str | None = image.meta.get("dark")
    if dark and not urlsplit(dark).scheme:
        if unquote(dark) not in images:
            return None  # as above
        dark = f"cid:{images[unquote(dark)].content_id}"
    return Hero(source, plain_words(image), href, dark)
