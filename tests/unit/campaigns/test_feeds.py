"""Feeds of whatever release notes say."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.archive import Document, Feed, write_atom, write_json_feed
from campaigns.archive.feeds import Entry

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
ATOM = "{http://www.w3.org/2005/Atom}"
WITH_ZONE = datetime(2026, 11, 1, 10, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))


def feed_of(title: str, html: str, at: datetime = WITH_ZONE) -> Feed:
    entry = Entry("urn:uuid:1", title, "https://e.x/n", at, "nl", title, html)
    document = Document("https://e.x/feed.atom", "https://e.x/feed.json")
    return Feed("urn:uuid:0", title, title, "nl", "https://e.x/", document, document, [entry])


@settings(max_examples=50)
@given(TEXT, TEXT)
def test_an_atom_feed_is_well_formed_whatever_it_says(title: str, html: str) -> None:
    feed = ET.fromstring(write_atom(feed_of(title, html)))  # noqa: S314 - our own
    shown = "".join(one for one in title if one.isprintable())
    found = "".join(one for one in feed.findtext(f"{ATOM}title", "") if one.isprintable())
    assert found == shown


@settings(max_examples=20)
@given(TEXT, TEXT)
def test_a_json_feed_says_the_same(title: str, html: str) -> None:
    (item,) = json.loads(write_json_feed(feed_of(title, html)))["items"]
    assert (item["title"], item.get("content_html", "")) == (title, html)


def test_times_are_in_utc_and_whole_seconds() -> None:
    feed = ET.fromstring(write_atom(feed_of("x", "y")))  # noqa: S314
    assert feed.findtext(f"{ATOM}updated") == "2026-11-01T09:00:00Z"
    (item,) = json.loads(write_json_feed(feed_of("x", "y")))["items"]
    assert datetime.fromisoformat(item["date_published"]) == WITH_ZONE.replace(microsecond=0).astimezone(UTC)
