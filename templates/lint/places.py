"""Where in the notes something stands that lint found in the finished mail."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from urllib.parse import unquote

from mailer.errors import InvalidInput
from mailer.message import InlineImage
from templates.markdown import parse_notes
from templates.notes import ReleaseNotes


class Places:
    """The places of links, pictures and words in the notes; the part of the mail where they are not found."""

    def __init__(
        self, notes: ReleaseNotes | None, images: Mapping[str, InlineImage], image_hosts: Collection[str]
    ) -> None:
        self._notes, self._hosts = notes, image_hosts
        self._names = {f"cid:{image.content_id}": name for name, image in images.items()}

    def of_address(self, address: str) -> str:
        """The place of the first link to an address, or of a picture."""
        return self._addresses.get(self._names.get(address, address), "HTML")

    def of_words(self, words: str) -> str:
        """The place of the first line with these words."""
        if self._notes is not None:
            for number, line in enumerate(self._notes.body.split("\n")):
                if words in line:
                    return self._notes.where(number)
        return "HTML"

    def name_of(self, address: str) -> str:
        """What the author calls a picture: the file's name."""
        return self._names.get(address, address)

    @cached_property
    def _addresses(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if self._notes is None:
            return found
        try:
            document = parse_notes(self._notes, image_hosts=self._hosts)
        except InvalidInput:
            return found
        for token, where in document.inline_tokens():
            for name in ("href", "src"):
                if name in token.attrs:
                    address = str(token.attrs[name])
                    found.setdefault(address, where)
                    found.setdefault(unquote(address), where)
        return found
