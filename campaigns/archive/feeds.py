"""Feeds of a topic: Atom (RFC 4287) and JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/).

A feed has the newest release notes. The older ones are in archive documents (RFC 5005, section 4), which a reader
fetches one after the other.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from templates.language import Locale

ATOM_TYPE = "application/atom+xml"
JSON_TYPE = "application/feed+json"
_ATOM = "http://www.w3.org/2005/Atom"
_HISTORY = "http://purl.org/syndication/history/1.0"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_NOTHING_YET = datetime.fromtimestamp(0, UTC)
# What XML 1.0 (section 2.2) has no way to write.
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

ET.register_namespace("", _ATOM)
ET.register_namespace("fh", _HISTORY)


@dataclass(frozen=True, slots=True)
class Entry:
    """A release note. `id` is a URI that never changes; `html` is empty where the notes can't be shown."""

    id: str
    title: str
    href: str
    at: datetime
    locale: Locale
    summary: str
    html: str


class Document(NamedTuple):
    """The addresses of a part of a feed in both forms."""

    atom: str
    json: str


@dataclass(frozen=True, slots=True)
class Feed:
    """The newest release notes of a topic, or an archive document with older ones; newest first.

    `href` is the list as a page, `here` the document's own address, `current` that of the newest release notes. `older`
    and `newer` are archive documents.
    """

    id: str
    title: str
    author: str
    locale: Locale
    href: str
    here: Document
    current: Document
    entries: Sequence[Entry]
    older: Document | None = None
    newer: Document | None = None

    @property
    def is_archive(self) -> bool:
        """Whether this is an archive document."""
        return self.here != self.current


def write_atom(feed: Feed) -> bytes:
    """The feed as Atom."""
    root = ET.Element(f"{{{_ATOM}}}feed", {_XML_LANG: feed.locale})
    _add(root, "id", feed.id)
    _add(root, "title", feed.title)
    _add(root, "updated", _moment(max((one.at for one in feed.entries), default=_NOTHING_YET)))
    _add(_add(root, "author"), "name", feed.author)
    if feed.is_archive:
        ET.SubElement(root, f"{{{_HISTORY}}}archive")
        _add(root, "link", rel="current", type=ATOM_TYPE, href=feed.current.atom)
    _add(root, "link", rel="self", type=ATOM_TYPE, href=feed.here.atom)
    for relation, other in (("prev-archive", feed.older), ("next-archive", feed.newer)):
        if other:
            _add(root, "link", rel=relation, type=ATOM_TYPE, href=other.atom)
    _add(root, "link", rel="alternate", type="text/html", href=feed.href)
    for one in feed.entries:
        entry = _add(root, "entry")
        entry.set(_XML_LANG, one.locale)
        _add(entry, "id", one.id)
        _add(entry, "title", one.title)
        _add(entry, "published", _moment(one.at))
        _add(entry, "updated", _moment(one.at))
        _add(entry, "link", rel="alternate", type="text/html", hreflang=one.locale, href=one.href)
        if one.summary:
            _add(entry, "summary", one.summary)
        if one.html:
            _add(entry, "content", one.html, type="html")
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def write_json_feed(feed: Feed) -> bytes:
    """The feed as JSON Feed. Its `feed_url` identifies the feed, so it is the same in each document."""
    values = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.href,
        "feed_url": feed.current.json,
        **({"next_url": feed.older.json} if feed.older else {}),
        "language": feed.locale,
        "authors": [{"name": feed.author}],
        "items": [
            {
                "id": one.id,
                "url": one.href,
                "title": one.title,
                **({"summary": one.summary} if one.summary else {}),
                **({"content_html": one.html} if one.html else {"content_text": one.summary}),
                "date_published": _moment(one.at),
                "language": one.locale,
            }
            for one in feed.entries
        ],
    }
    return json.dumps(values, ensure_ascii=False, indent=1).encode() + b"\n"


def _add(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, f"{{{_ATOM}}}{name}", attributes)
    element.text = None if text is None else _NO_XML.sub("", text)
    return element


def _moment(moment: datetime) -> str:
    """RFC 3339, in UTC, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
