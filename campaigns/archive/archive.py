"""The pages and feeds of published campaigns, from the notes that were frozen with their mails."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, Select

from campaigns import catalogue
from campaigns.archive.addresses import ATOM, JSON, Addresses
from campaigns.archive.feeds import Document, Entry, Feed
from campaigns.archive.published import Headline, Neighbours, Published, PublishedCampaigns, notes_of
from campaigns.rendering import DEFAULT_THEME
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
    PageNumber,
    ReleasePage,
    ReleasePages,
    image_name,
)

NOTES_ON_A_PAGE = 20
"""Release notes on a page of a list, in a feed, and in each archive document of a feed."""

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

    def image(
        self, connection: Connection, campaign_ids: Sequence[int] | Select[tuple[int]], name: str
    ) -> InlineImage | None:
        """The picture with this name (`image_name`) in the mails of these campaigns."""
        if not IMAGE_NAME.fullmatch(name):
            return None
        content_id = f"{name.partition('.')[0]}@image"
        found = catalogue.find_image(connection, campaign_ids, content_id)
        return found if found and image_name(found) == name else None

    def note_page(
        self, connection: Connection, found: Published, locale: Locale, around: Around, images: str
    ) -> ReleasePage:
        """The page of a release note. `images` is what the addresses of its pictures begin with."""
        article = self.article(connection, found, locale)
        return self._pages.note(article.with_images_in(images), around)

    def last_page(self, connection: Connection, topic: str) -> int:
        """How many pages the list of a topic has: at least one."""
        return max(1, -(-self.published.count(connection, topic) // NOTES_ON_A_PAGE))

    def last_document(self, connection: Connection, topic: str) -> int:
        """How many archive documents the feed of a topic has: as many as hold what is older than the feed."""
        return max(0, (self.published.count(connection, topic) - 1) // NOTES_ON_A_PAGE)

    def list_page(
        self, connection: Connection, topic: str, locale: Locale, addresses: Addresses, around: Around
    ) -> ReleasePage:
        """A page of the list of a topic: `around` (`around_list`) says which."""
        start = (around.page.number - 1) * NOTES_ON_A_PAGE
        notes = [
            ListedNote(
                self.link(one, locale, addresses),
                headline.version,
                headline.date or one.at.astimezone(self._settings.tz).date(),
                self._summary(connection, one, headline),
            )
            for one in self.published.of_topic(connection, topic, start=start, most=NOTES_ON_A_PAGE)
            for headline in [one.headline(locale)]
        ]
        return self._pages.list_of_notes(self.title(topic, locale), locale, notes, around)

    def feed(
        self,
        connection: Connection,
        topic: str,
        locale: Locale,
        addresses: Addresses,
        number: int | None = None,
    ) -> Feed:
        """The feed of a topic: of each campaign the notes in `locale`, else in their first language.

        `number`, from 1 to `last_document`, is an archive document. They are numbered from the oldest, and each is
        full, so that a new campaign leaves them as they are.
        """
        last = self.last_document(connection, topic)
        start = self.published.count(connection, topic) - number * NOTES_ON_A_PAGE if number else 0
        title, name = self.title(topic, locale), self._brand.name

        def document(number: int | None) -> Document:
            return Document(*(addresses.feed(topic, kind, locale, number) for kind in (ATOM, JSON)))

        older = number - 1 if number else last
        return Feed(
            id=self._urn(f"topic {topic}", locale),
            title=title
            if name in title
            else load_texts(locale)["archive"]["feed"].format(topic=title, name=name),
            author=name,
            locale=locale,
            href=addresses.archive(topic, locale),
            here=document(number),
            current=document(None),
            older=document(older) if older else None,
            newer=document(number + 1) if number and number < last else None,
            entries=[
                self._entry(connection, one, locale, addresses)
                for one in self.published.of_topic(connection, topic, start=start, most=NOTES_ON_A_PAGE)
            ],
        )

    def around_list(self, topic: str, locale: Locale, addresses: Addresses, page: PageNumber) -> Around:
        """What a page of the list of a topic links to."""
        texts = load_texts(locale)["archive"]

        def other_page(number: int) -> Link | None:
            if not 1 <= number <= page.last:
                return None
            title = texts["page"].format(number=number, last=page.last)
            return Link(title, addresses.archive(topic, locale, number), locale)

        return replace(
            self._of_topic(topic, locale, addresses),
            archive=Link(texts["all"], addresses.archive(topic, locale), locale) if page.number > 1 else None,
            languages=[
                Link(
                    load_texts(other)["archive"]["language"],
                    addresses.archive(topic, other, page.number),
                    other,
                )
                for other in LOCALES
                if other != locale
            ],
            page=page,
            newer=other_page(page.number - 1),
            older=other_page(page.number + 1),
        )

    def around_note(
        self, found: Published, locale: Locale, addresses: Addresses, others: Neighbours
    ) -> Around:
        """What the page of a release note links to. `others` are the campaigns before and after it."""
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
            newer=self.link(others.newer, locale, addresses) if others.newer else None,
            older=self.link(others.older, locale, addresses) if others.older else None,
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
