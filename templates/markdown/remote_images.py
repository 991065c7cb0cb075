"""Replace images from hosts that are not allowed by links, or omit them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from markdown_it.token import Token


def replace_remote_images(tokens: list[Token], image_hosts: Collection[str], *, as_link: bool) -> None:
    """Replace these images in place. A paragraph with nothing else becomes empty."""
    for token in tokens:
        if token.children:
            token.children = list(_replaced(token.children, image_hosts, as_link=as_link))


def _replaced(children: list[Token], image_hosts: Collection[str], *, as_link: bool) -> Iterator[Token]:
    depth = 0
    for child in children:
        depth += child.nesting if child.type.startswith("link_") else 0
        if child.type != "image" or not _is_remote(str(child.attrs["src"]), image_hosts):
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
