"""Reads the HTML of a mail once, for everything that is to be known about it."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Protocol

VOID_TAGS = frozenset({"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})


class HtmlListener(Protocol):
    """Is told of each part of the HTML, in order."""

    def opened(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins; `VOID_TAGS` never end."""

    def closed(self, tag: str) -> None:
        """An element ends."""

    def said(self, text: str, *, is_style: bool) -> None:
        """Text, or the content of a style sheet."""

    def commented(self, text: str) -> None:
        """A comment."""


def read_html(html: str, *listeners: HtmlListener) -> None:
    """Tell the listeners what is in `html`. It may be broken."""
    reader = _Reader(listeners)
    reader.feed(html)
    reader.close()


class _Reader(HTMLParser):
    def __init__(self, listeners: tuple[HtmlListener, ...]) -> None:
        super().__init__()
        self._listeners = listeners

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        for listener in self._listeners:
            listener.opened(tag, values)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID_TAGS:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        for listener in self._listeners:
            listener.closed(tag)

    def handle_data(self, data: str) -> None:
        is_style = self.cdata_elem == "style"
        for listener in self._listeners:
            listener.said(data, is_style=is_style)

    def handle_comment(self, data: str) -> None:
        for listener in self._listeners:
            listener.commented(data)
