"""The pages and feeds of published campaigns, from the notes that were frozen with their mails."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from campaigns import catalogue
from campaigns.archive.addresses import ATOM, JSON, Addresses
from campaigns.archive.feeds import Entry, Feed
from campaigns.archive.published import Headline, Published, PublishedCampaigns, notes_of
from campaigns.notes import DEFAULT_THEME
from mailer.config import Settings
from mailer.errors import MailerError
from mailer.message import InlineImage
from subscribers.topic import title_of
from templates.brand import Brand
from templates.language import LOCALES, Locale, load_texts
from templates.release_page import (
    IMAGE_NAME,
    Around,
    Article,
    Link,
    ListedNote,
    ReleasePage,
    ReleasePages,
    image_name,
)

MOST_IN_A_FEED = 20
"""Release notes in a feed. A list shows a summary of as many."""

ARTICLES_KEPT = 64

log = logging.getLogger(__name__)


class Archive:
    """Makes the pages and the feeds of one installation (`mailer.database.installation_id`)."""

    def __init__(self, settings: Settings, brand: Brand, installation: str) -> None:
        self._settings, self._brand = settings, brand
        self._installation = installation
        self._pages = ReleasePages(brand, settings.theme or DEFAULT_THEME, settings.templates_dir)
        self.published = PublishedCampaigns(settings.archive.hidden)
        self._articles: dict[tuple[int, str, Locale], Article] = {}
        self._keeping = threading.Lock()

    def article(self, connection: Connection, found: Published, locale: Locale) -> Article:
        """The notes of a campaign in `locale`, which they must have. Raises InvalidInput, TemplateError."""
        key = (found.campaign_id, found.content_hash, locale)
        if (kept := self._articles.get(key)) is not None:
            return kept
        notes = notes_of(connection, found.campaign_id)
        edition = next(one for one in notes.editions if one.locale == locale)
        article = self._pages.article(edition, catalogue.images_of(connection, found.campaign_id))
        with self._keeping:
            if len(self._articles) >= ARTICLES_KEPT:
                del self._articles[next(iter(self._articles))]
            self._articles[key] = article
        return article

    def image(self, connection: Connection, campaigns: Sequence[Published], name: str) -> InlineImage | None:
        """The picture with this name (`image_name`) in the mails of these campaigns."""
        if not IMAGE_NAME.fullmatch(name):
            return None
        content_id = f"{name.partition('.')[0]}@image"
        numbers = [one.campaign_id for one in campaigns]
        found = catalogue.find_image(connection, numbers, content_id)
        return found if found and image_name(found) == name else None

    def note_page(
        self, connection: Connection, found: Published, locale: Locale, around: Around, images: str
    ) -> ReleasePage:
        """The page of a release note. `images` is what the addresses of its pictures begin with."""
        article = self.article(connection, found, locale)
        return self._pages.note(article.with_images_in(images), around)

    def list_page(
        self, connection: Connection, topic: str, locale: Locale, addresses: Addresses, around: Around
    ) -> ReleasePage:
        """The list of a topic."""
        notes = [
            ListedNote(
                self.link(one, locale, addresses),
                headline.version,
                headline.date or one.at.astimezone(self._settings.tz).date(),
                self._summary(connection, one, headline) if number < MOST_IN_A_FEED else "",
            )
            for number, one in enumerate(self.published.of_topic(connection, topic))
            for headline in [one.headline(locale)]
        ]
        return self._pages.list_of_notes(self.title(topic, locale), locale, notes, around)

    def feed(self, connection: Connection, topic: str, locale: Locale, addresses: Addresses) -> Feed:
        """The feed of a topic: of each campaign the notes in `locale`, else in their first language."""
        newest = self.published.of_topic(connection, topic)[:MOST_IN_A_FEED]
        title, name = self.title(topic, locale), self._brand.name
        return Feed(
            id=self._urn(f"topic {topic}", locale),
            title=title
            if name in title
            else load_texts(locale)["archive"]["feed"].format(topic=title, name=name),
            author=name,
            locale=locale,
            href=addresses.archive(topic, locale),
            atom=addresses.feed(topic, ATOM, locale),
            json=addresses.feed(topic, JSON, locale),
            entries=[self._entry(connection, one, locale, addresses) for one in newest],
        )

    def around_list(self, topic: str, locale: Locale, addresses: Addresses) -> Around:
        """What the list of a topic links to."""
        others = [
            Link(load_texts(other)["archive"]["language"], addresses.archive(topic, other), other)
            for other in LOCALES
            if other != locale
        ]
        return replace(self._of_topic(topic, locale, addresses), languages=others)

    def around_note(
        self, found: Published, locale: Locale, addresses: Addresses, others: Sequence[Published]
    ) -> Around:
        """What the page of a release note links to. `others` are those of its topic, newest first."""
        numbers = [one.campaign_id for one in others]
        here = numbers.index(found.campaign_id)
        newer, older = others[max(here - 1, 0) : here], others[here + 1 : here + 2]
        name = load_texts(locale)["archive"]["all"]
        return replace(
            self._of_topic(found.topic, locale, addresses),
            archive=Link(name, addresses.archive(found.topic, locale), locale),
            languages=[
                Link(
                    load_texts(one.locale)["archive"]["language"],
                    addresses.note(found.topic, found.slug, one.locale),
                    one.locale,
                )
                for one in found.headlines
                if one.locale != locale
            ],
            newer=self.link(newer[0], locale, addresses) if newer else None,
            older=self.link(older[0], locale, addresses) if older else None,
        )

    def title(self, topic: str, locale: Locale) -> str:
        """What people call a topic."""
        topics = self._settings.topics
        return title_of(topics, topic, locale) if topic in topics else load_texts(locale)["archive"]["name"]

    def link(self, found: Published, locale: Locale, addresses: Addresses) -> Link:
        """The link to a release note, in `locale` where it has that language."""
        headline = found.headline(locale)
        return Link(headline.title, addresses.note(found.topic, found.slug, headline.locale), headline.locale)

    def _of_topic(self, topic: str, locale: Locale, addresses: Addresses) -> Around:
        settings = self._settings
        sign_up = f"{settings.public_url}/signup/{topic}?language={locale}"
        return Around(
            atom=addresses.feed(topic, ATOM, locale),
            json=addresses.feed(topic, JSON, locale),
            sign_up=sign_up if topic in settings.sign_up.topics else None,
        )

    def _summary(self, connection: Connection, found: Published, headline: Headline) -> str:
        try:
            return self.article(connection, found, headline.locale).summary
        except MailerError as error:
            log.warning("Campaign %s has no page: %s", found.slug, error.message)
            return ""

    def _entry(self, connection: Connection, found: Published, locale: Locale, addresses: Addresses) -> Entry:
        headline = found.headline(locale)
        summary = self._summary(connection, found, headline)
        html = ""
        try:
            article = self.article(connection, found, headline.locale)
            html = article.with_images_in(addresses.images(found.topic)).html()
        except MailerError:
            pass  # the summary has logged it
        link = self.link(found, locale, addresses)
        name = self._urn(f"campaign {found.campaign_id}", headline.locale)
        return Entry(name, headline.title, link.href, found.at, headline.locale, summary, html)

    def _urn(self, name: str, locale: Locale) -> str:
        """An id that stays when the address of the pages or a key changes (RFC 4287, section 4.2.6)."""
        return uuid.uuid5(uuid.NAMESPACE_OID, f"{self._installation}/{name}/{locale}").urn
