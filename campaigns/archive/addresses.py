"""Where the pages, pictures and feeds of the archive are: the same below `mailer serve` and in an exported folder."""

from __future__ import annotations

from dataclasses import dataclass

from templates.language import Locale

ATOM, JSON = "atom", "json"
IMAGES = "images"
INDEX = "index.html"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses that begin with `root`. In a folder a page is the file `page`, such as ``/index.html``."""

    root: str
    page: str = ""

    def archive(self, topic: str, locale: Locale | None = None) -> str:
        """The list of a topic, in a language or in the reader's."""
        return f"{self.root}/{topic}{f'/{locale}' if locale else ''}{self.page}"

    def note(self, topic: str, slug: str, locale: Locale) -> str:
        """The page of a release note."""
        return f"{self.root}/{topic}/{locale}/{slug}{self.page}"

    def feed(self, topic: str, kind: str, locale: Locale) -> str:
        """The feed of a topic in a language."""
        return f"{self.root}/{topic}/{feed_name(kind, locale)}"

    def images(self, topic: str) -> str:
        """What the addresses of a topic's pictures begin with."""
        return f"{self.root}/{topic}/{IMAGES}/"


def feed_name(kind: str, locale: Locale | None = None) -> str:
    """The last part of a feed's address; without a language it is the feed in the settings' language."""
    return f"feed.{locale}.{kind}" if locale else f"feed.{kind}"
