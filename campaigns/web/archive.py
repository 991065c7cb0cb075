"""The public pages of release notes, their archive and their feeds. Requests only read; the answers are the same for everyone.

``/view/<token>`` is the page that a mail links to. ``/archive/<topic>`` is the list of a topic that the settings publish.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from campaigns.archive import (
    ATOM,
    ATOM_TYPE,
    IMAGES,
    JSON_TYPE,
    PAGE,
    Addresses,
    Archive,
    FeedName,
    Published,
    last_change,
    parse_feed_name,
    write_atom,
    write_json_feed,
)
from campaigns.page_links import ARCHIVE_PATH, VIEW_PATH, PageLinks
from campaigns.web.conditional import conditional_answer
from mailer.errors import MailerError, NotFound
from mailer.message import InlineImage
from subscribers.signed_tokens import UnknownToken
from subscribers.web import ROBOTS, PageServices, preferred_locale, token_of
from templates.language import LOCALES, Locale, load_texts
from templates.page import Page
from templates.release_page import Around, Link, PageNumber, ReleasePage

CACHE_SECONDS = 300
_FOREVER = "public, max-age=31536000, immutable"
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a request is answered with. `policy` is the content security policy of a page."""

    content: bytes
    media_type: str
    policy: str = "default-src 'none'; frame-ancestors 'none'"
    locale: Locale | None = None
    is_indexed: bool = False
    is_negotiated: bool = False
    last_change: datetime | None = None
    cache: str = f"public, max-age={CACHE_SECONDS}"


class ArchiveEndpoint:
    """Answers the paths of the archive. `started_at` is when this process began to answer."""

    def __init__(self, services: PageServices, started_at: datetime) -> None:
        self._services = services
        self._started_at = started_at  # what the settings and templates say may have changed just then
        settings = services.settings
        self._settings = settings.archive
        path = urlsplit(settings.public_url).path
        self._local = Addresses(f"{path}{ARCHIVE_PATH}")
        self._absolute = Addresses(f"{settings.public_url}{ARCHIVE_PATH}")
        self._view = f"{path}{VIEW_PATH}/"
        self._made: tuple[Archive, PageLinks] | None = None

    @property
    def routes(self) -> list[Route]:
        """The routes."""
        view, topic = f"{VIEW_PATH}/{{token}}", f"{ARCHIVE_PATH}/{{topic}}"
        endpoints: list[tuple[str, Callable[[Request], Awaitable[Response]], str]] = [
            (view, self._answer(self._viewed), "release note"),
            (f"{view}/{IMAGES}/{{name}}", self._answer(self._viewed_image), "release image"),
            (topic, self._answer(self._list), "archive"),
            (f"{topic}/{IMAGES}/{{name}}", self._answer(self._image), "release image"),
            (f"{topic}/{{name}}", self._answer(self._list_or_feed), "archive"),
            (f"{topic}/{{locale}}/{{slug}}", self._answer(self._note), "release note"),
            (f"{topic}/{{locale}}/{PAGE}/{{number}}", self._answer(self._older_list), "archive"),
        ]
        return [Route(path, endpoint, methods=["GET"], name=name) for path, endpoint, name in endpoints]

    def _answer(
        self, find: Callable[[Connection, Request], _Answer]
    ) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint that answers with what `find` finds in the database."""
        services = self._services

        async def answer(request: Request) -> Response:
            locale = self._preferred(request)
            try:
                await self._make()
                found = await services.read(lambda connection, _now: find(connection, request))
            except (NotFound, UnknownToken):
                return services.page(Page.NO_SUCH_PAGE, locale, status=404)
            except (MailerError, TimeoutError) as error:
                return services.failure(error, locale, "A page of the archive")
            return conditional_answer(
                request, found.content, found.media_type, _headers(found), self._last_modified(found)
            )

        return answer

    async def _make(self) -> None:
        if self._made is None:
            services = self._services
            installation = await services.installation()
            self._made = (
                Archive(services.settings, services.pages.brand, installation),
                PageLinks(services.keys, installation, services.settings.public_url),
            )

    @property
    def _archive(self) -> Archive:
        return self._ready[0]

    @property
    def _links(self) -> PageLinks:
        return self._ready[1]

    @property
    def _ready(self) -> tuple[Archive, PageLinks]:
        if self._made is None:
            raise AssertionError("an answer comes after _make")
        return self._made

    def _preferred(self, request: Request) -> Locale:
        return preferred_locale(request, self._services.settings.locale)

    def _last_modified(self, found: _Answer) -> datetime | None:
        """Never later than now (RFC 9110, section 8.8.2.1)."""
        if found.last_change is None:
            return None
        return min(max(found.last_change, self._started_at), datetime.now(UTC))

    def _viewed(self, connection: Connection, request: Request) -> _Answer:
        """The page that a mail links to."""
        token = token_of(request)
        found, locale = self._find_viewed(connection, token)
        around = Around()
        if found.topic in self._settings.topics:
            around = self._around(connection, found, locale)
        languages = [
            Link(
                load_texts(one.locale)["archive"]["language"],
                self._view + self._links.url(found.campaign_id, one.locale).rpartition("/")[2],
                one.locale,
            )
            for one in found.headlines
            if one.locale != locale
        ]
        around = replace(around, languages=languages, is_indexed=False)
        images = f"{self._view}{token}/{IMAGES}/"
        page = self._archive.note_page(connection, found, locale, around, images)
        return self._page(page, locale)

    def _viewed_image(self, connection: Connection, request: Request) -> _Answer:
        found, _ = self._find_viewed(connection, request.path_params["token"])
        return _image(self._archive.image(connection, [found.campaign_id], request.path_params["name"]))

    def _find_viewed(self, connection: Connection, token: str) -> tuple[Published, Locale]:
        """What a token names. Raises UnknownToken, and NotFound where it is not published."""
        campaign_id, locale = self._links.read(token)
        found = self._archive.published.one(connection, campaign_id)
        if found is None or not found.has(locale):
            raise _not_found()
        return found, locale

    def _list(self, connection: Connection, request: Request) -> _Answer:
        """The first page of the list of a topic in the reader's language."""
        locale = self._preferred(request)
        return replace(self._list_in(connection, self._topic(request), locale), is_negotiated=True)

    def _list_or_feed(self, connection: Connection, request: Request) -> _Answer:
        topic, name = self._topic(request), request.path_params["name"]
        if feed := parse_feed_name(name):
            return self._feed(connection, topic, feed)
        return self._list_in(connection, topic, _locale(name))

    def _older_list(self, connection: Connection, request: Request) -> _Answer:
        """Another than the first page of a list."""
        topic, locale = self._topic(request), _locale(request.path_params["locale"])
        number = request.path_params["number"]
        if not _NUMBER.fullmatch(number) or number == "1":
            raise _not_found()
        return self._list_in(connection, topic, locale, int(number))

    def _list_in(self, connection: Connection, topic: str, locale: Locale, number: int = 1) -> _Answer:
        page = PageNumber(number, self._archive.last_page(connection, topic))
        if page.number > page.last:
            raise _not_found()
        around = replace(
            self._archive.around_list(topic, locale, self._local, page),
            address=self._absolute.archive(topic, locale, number),
            is_indexed=self._settings.indexed,
        )
        shown = self._archive.list_page(connection, topic, locale, self._local, around)
        return replace(
            self._page(shown, locale, is_indexed=self._settings.indexed),
            last_change=last_change(connection, topic),
        )

    def _feed(self, connection: Connection, topic: str, name: FeedName) -> _Answer:
        if name.number and name.number > self._archive.last_document(connection, topic):
            raise _not_found()
        locale = name.locale or self._services.settings.locale
        feed = self._archive.feed(connection, topic, locale, self._absolute, name.number)
        content, media_type = (
            (write_atom(feed), f"{ATOM_TYPE}; charset=utf-8")
            if name.kind == ATOM
            else (write_json_feed(feed), JSON_TYPE)
        )
        return _Answer(
            content,
            media_type,
            is_indexed=self._settings.indexed,
            last_change=last_change(connection, topic),
        )

    def _note(self, connection: Connection, request: Request) -> _Answer:
        topic, locale = self._topic(request), _locale(request.path_params["locale"])
        found = self._archive.published.named(connection, topic, request.path_params["slug"])
        if found is None or not found.has(locale):
            raise _not_found()
        around = self._around(connection, found, locale)
        page = self._archive.note_page(connection, found, locale, around, self._local.images(topic))
        return self._page(page, locale, is_indexed=self._settings.indexed)

    def _image(self, connection: Connection, request: Request) -> _Answer:
        campaigns = self._archive.published.ids_of_topic(self._topic(request))
        return _image(self._archive.image(connection, campaigns, request.path_params["name"]))

    def _around(self, connection: Connection, found: Published, locale: Locale) -> Around:
        """What the page of a published campaign of a topic with an archive links to."""
        others = self._archive.published.neighbours(connection, found)
        return replace(
            self._archive.around_note(found, locale, self._local, others),
            address=self._absolute.note(found.topic, found.slug, locale),
            is_indexed=self._settings.indexed,
        )

    def _topic(self, request: Request) -> str:
        """The topic that the path names. Raises NotFound where it has no archive."""
        topic: str = request.path_params["topic"]
        if topic not in self._settings.topics:
            raise _not_found()
        return topic

    def _page(self, page: ReleasePage, locale: Locale, *, is_indexed: bool = False) -> _Answer:
        return _Answer(
            page.html.encode(), "text/html; charset=utf-8", page.policy, locale, is_indexed=is_indexed
        )


def _headers(found: _Answer) -> dict[str, str]:
    """The headers of an answer. It names its address to nobody, and runs and loads nothing but its own pictures."""
    return {
        "Cache-Control": found.cache,
        "Content-Security-Policy": found.policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        **({} if found.is_indexed else ROBOTS),
        **({"Content-Language": found.locale} if found.locale else {}),
        **({"Vary": "Accept-Language"} if found.is_negotiated else {}),
    }


def _image(image: InlineImage | None) -> _Answer:
    if image is None:
        raise _not_found()
    return _Answer(image.data, image.content_type, cache=_FOREVER)


def _locale(name: str) -> Locale:
    found = next((locale for locale in LOCALES if locale == name), None)
    if found is None:
        raise _not_found()
    return found


def _not_found() -> NotFound:
    return NotFound("There is no such page.")
