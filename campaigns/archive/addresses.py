"""Where the pages, pictures and feeds of the archive are: the same below `mailer serve` and in an exported folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from templates.language import LOCALES, Locale

ATOM, JSON = "atom", "json"
IMAGES = "images"
INDEX = "index.html"
PAGE = "page"
_FEED_NAME = re.compile(
    rf"feed(?:\.(?P<locale>{'|'.join(LOCALES)})(?:\.(?P<number>[1-9][0-9]{{0,8}}))?)?\.(?P<kind>{ATOM}|{JSON})"
)


class FeedName(NamedTuple):
    """What the name of a feed says: its kind, language and, of an archive document, the number. See `feed_name`."""

    kind: str
    locale: Locale | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses that begin with `root`. In a folder a page is the file `page`, such as ``/index.html``."""

    root: str
    page: str = ""

    def archive(self, topic: str, locale: Locale, number: int = 1) -> str:
        """A page of the list of a topic in a language."""
        return f"{self.root}/{list_folder(topic, locale, number)}{self.page}"

    def note(self, topic: str, slug: str, locale: Locale) -> str:
        """The page of a release note."""
        return f"{self.root}/{topic}/{locale}/{slug}{self.page}"

    def feed(self, topic: str, kind: str, locale: Locale, number: int | None = None) -> str:
        """The feed of a topic in a language, or the archive document of the feed with this number."""
        return f"{self.root}/{topic}/{feed_name(kind, locale, number)}"

    def images(self, topic: str) -> str:
        """What the addresses of a topic's pictures begin with."""
        return f"{self.root}/{topic}/{IMAGES}/"


def list_folder(topic: str, locale: Locale, number: int = 1) -> str:
    """Where a page of the list is. No release note has this address: theirs end with the slug."""
    return f"{topic}/{locale}/{PAGE}/{number}" if number > 1 else f"{topic}/{locale}"


def feed_name(kind: str, locale: Locale | None = None, number: int | None = None) -> str:
    """The last part of a feed's address; without a language it is the feed in the settings' language."""
    return ".".join(["feed", *(str(one) for one in (locale, number) if one), kind])


def parse_feed_name(name: str) -> FeedName | None:
    """Read what `feed_name` writes."""
    if (found := _FEED_NAME.fullmatch(name)) is None:
        return None
    locale = next((one for one in LOCALES if one == found["locale"]), None)
    return FeedName(found["kind"], locale, int(found["number"]) if found["number"] else None)
