"""Replace images from hosts that are not allowed by links, or omit them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from markdown_it.token import Token

_BREAKS = frozenset({"softbreak", "hardbreak"})


def replace_remote_images(tokens: list[Token], image_hosts: Collection[str], *, as_link: bool) -> None:
    """Replace these images in place. A paragraph that held nothing else is removed."""
    kept: list[Token] = []
    for token in tokens:
        had_images = any(child.type == "image" for child in token.children or ())
        if token.children:
            token.children = list(_replaced(token.children, image_hosts, as_link=as_link))
        if had_images and all(child.type in _BREAKS for child in token.children or ()):
            token.children, token.content = [], ""
        kept.append(token)
        if token.type == "paragraph_close" and kept[-2].type == "inline" and not kept[-2].content:
            del kept[-3:]
    tokens[:] = kept


def _replaced(children: list[Token], image_hosts: Collection[str], *, as_link: bool) -> Iterator[Token]:
    depth = 0
    for child in children:
        depth += child.nesting if child.type.startswith("link_") else 0
        if child.type != "image" or not _is_remote(str(child.attrs["src"]), image_hosts):
            if _is_remote(child.meta.get("dark", ""), image_hosts):
                del child.meta["dark"]
            yield child
        elif as_link:
            source = str(child.attrs["src"])
            words = (
                "".join(one.content for one in child.children or ())
                or urlsplit(source).path.rpartition("/")[2]
                or source
            )
            text = Token("text", "", 0, content=words)
            # Inside a link only the words remain: links can't be nested.
            yield from (
                [text]
                if depth
                else [
                    Token("link_open", "a", 1, attrs={"href": source}),
                    text,
                    Token("link_close", "a", -1),
                ]
            )


def _is_remote(source: str, image_hosts: Collection[str]) -> bool:
    try:
        url = urlsplit(source)
    except ValueError:
        return False
    return url.scheme in {"http", "https"} and not (url.scheme == "https" and url.hostname in image_hosts)
