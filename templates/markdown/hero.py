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
    """A picture as wide as the mail: its source, its description, and where it links to."""

    source: str
    alt: str
    href: str | None


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
    return [one.type for one in token.children or () if not one.type.startswith("link_")] == ["image"]


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
    href = str(children[0].attrs["href"]) if children[0].type == "link_open" else None
    return Hero(source, plain_words(image), href)
