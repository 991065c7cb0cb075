"""Where in the notes something stands that lint found in the finished mail."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from itertools import pairwise
from urllib.parse import unquote

from mailer.errors import InvalidInput
from mailer.message import InlineImage
from templates.markdown import Document, parse_notes, plain_words
from templates.notes import ReleaseNotes


class Places:
    """The places of links, pictures and words in the notes; the part of the mail where they are not found."""

    def __init__(
        self, notes: ReleaseNotes | None, images: Mapping[str, InlineImage], image_hosts: Collection[str]
    ) -> None:
        self._notes, self._hosts = notes, image_hosts
        self._names = {f"cid:{image.content_id}": name for name, image in images.items()}

    def of_address(self, address: str, number: int = 0) -> str:
        """The place of a link to an address, or of a picture: of the first, or of the one with this number, from 0."""
        found = self._addresses.get(self._names.get(address, address))
        return found[min(number, len(found) - 1)] if found else "HTML"

    def of_heading(self, words: str) -> str:
        """The place of the first heading with these words."""
        return self._headings.get(words, "HTML")

    def of_words(self, words: str) -> str:
        """The place of the first line with these words."""
        if self._notes is not None:
            start = self._notes.body.find(words)
            if start >= 0:
                return self._notes.where(self._notes.body.count("\n", 0, start))
        return "HTML"

    def of_key(self, key: str, part: str) -> str:
        """The place of a key of the front matter, else of the title, else `part`, which is one of the mail."""
        if self._notes is None:
            return part
        return self._notes.where_key(key) or self._notes.where_key("title") or part

    def name_of(self, address: str) -> str:
        """What the author calls a picture: the file's name."""
        return self._names.get(address, address)

    @cached_property
    def _document(self) -> Document | None:
        if self._notes is None:
            return None
        try:
            return parse_notes(self._notes, image_hosts=self._hosts)
        except InvalidInput:
            return None  # the settings have changed since the mail was made

    @cached_property
    def _addresses(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for token, where in self._document.inline_tokens() if self._document else ():
            for name in ("href", "src"):
                if name in token.attrs:
                    address = str(token.attrs[name])
                    for written in {address, unquote(address)}:
                        found.setdefault(written, []).append(where)
        if self._notes and self._notes.action and (line := self._notes.where_key("action.url")):
            found.setdefault(self._notes.action.url, []).append(line)
        return found

    @cached_property
    def _headings(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if self._document and self._notes:
            for heading, inline in pairwise(self._document.tokens):
                if heading.type == "heading_open" and heading.map:
                    found.setdefault(plain_words(inline), self._notes.where(heading.map[0]))
        return found
