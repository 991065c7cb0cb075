"""The archive as files for a team's own site: pages, pictures and feeds, with relative links."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from campaigns.archive.addresses import (
    ATOM,
    IMAGES,
    INDEX,
    JSON,
    Addresses,
    feed_name,
    list_folder,
)
from campaigns.archive.archive import Archive
from campaigns.archive.feeds import write_atom, write_json_feed
from campaigns.archive.published import Neighbours, Published
from mailer.errors import InvalidInput, MailerError
from templates.language import LOCALES, Locale
from templates.release_page import Around, PageNumber

_PAGE = f"/{INDEX}"
_WRITERS = {ATOM: write_atom, JSON: write_json_feed}


def archive_files(
    connection: Connection,
    archive: Archive,
    topics: Iterable[str],
    locale: Locale,
    *,
    url: str | None = None,
    is_indexed: bool = False,
) -> dict[str, bytes]:
    """The files of the topics' archives by their path, each after those that it refers to.

    `locale` is the language of each topic's first page and feed. With the `url` of the folder the feeds and the pages
    name their own addresses in full. Raises InvalidInput for notes that can't be shown.
    """
    files: dict[str, bytes] = {}
    for topic in topics:
        published = archive.published.of_topic(connection, topic)
        files.update(_notes(connection, archive, published, url, is_indexed=is_indexed))
        files.update(_lists(connection, archive, topic, locale, url, is_indexed=is_indexed))
        files.update(_feeds(connection, archive, topic, locale, url))
    return files


def _notes(
    connection: Connection,
    archive: Archive,
    published: Sequence[Published],
    url: str | None,
    *,
    is_indexed: bool,
) -> Iterator[tuple[str, bytes]]:
    """The pages of a topic's release notes, and their pictures."""
    for place, found in enumerate(published):
        if found.slug == INDEX:
            raise InvalidInput(
                f"the page of campaign {found.slug!r} would be in the place of the list",
                hint="Name the campaign in `hidden` of [archive] to leave it out.",
            )
        for headline in found.headlines:
            try:
                article = archive.article(connection, found, headline.locale)
            except MailerError as error:
                raise InvalidInput(
                    f"the notes of campaign {found.slug!r} can't be shown: {error.message}",
                    hint="Name the campaign in `hidden` of [archive] to leave it out.",
                ) from error
            for name, image in article.images.items():
                yield f"{found.topic}/{IMAGES}/{name}", image.data
            folder = f"{found.topic}/{headline.locale}/{found.slug}"
            addresses = _from(folder)
            around = archive.around_note(found, headline.locale, addresses, _neighbours(published, place))
            page = archive.note_page(
                connection,
                found,
                headline.locale,
                _at(around, url, folder, is_indexed=is_indexed),
                addresses.images(found.topic),
            )
            yield f"{folder}/{INDEX}", page.html.encode()


def _neighbours(published: Sequence[Published], place: int) -> Neighbours:
    """The campaigns before and after the one at `place`."""
    newer = published[place - 1] if place else None
    return Neighbours(newer, published[place + 1] if place + 1 < len(published) else None)


def _lists(
    connection: Connection,
    archive: Archive,
    topic: str,
    locale: Locale,
    url: str | None,
    *,
    is_indexed: bool,
) -> Iterator[tuple[str, bytes]]:
    """The pages of a topic's list in each language. The first is also in the topic's folder, in `locale`."""
    last = archive.last_page(connection, topic)
    wanted = [(one, PageNumber(number, last)) for one in LOCALES for number in range(last, 0, -1)]
    folders = [(one, page, list_folder(topic, one, page.number)) for one, page in wanted]
    for one, page, folder in (*folders, (locale, PageNumber(1, last), topic)):
        addresses = _from(folder)
        around = _at(archive.around_list(topic, one, addresses, page), url, folder, is_indexed=is_indexed)
        shown = archive.list_page(connection, topic, one, addresses, around)
        yield f"{folder}/{INDEX}", shown.html.encode()


def _feeds(
    connection: Connection, archive: Archive, topic: str, locale: Locale, url: str | None
) -> Iterator[tuple[str, bytes]]:
    """The feeds of a topic in each language, after their archive documents; the one without a language is in `locale`."""
    addresses = Addresses(url or "..", _PAGE)
    numbers = [*range(1, archive.last_document(connection, topic) + 1), None]
    for one, number in ((one, number) for one in LOCALES for number in numbers):
        feed = archive.feed(connection, topic, one, addresses, number)
        for kind, write in _WRITERS.items():
            content = write(feed)
            yield f"{topic}/{feed_name(kind, one, number)}", content
            if one == locale and number is None:
                yield f"{topic}/{feed_name(kind)}", content


def _from(folder: str) -> Addresses:
    """Addresses relative to a page in `folder`."""
    return Addresses("/".join([".."] * (folder.count("/") + 1)), _PAGE)


def _at(around: Around, url: str | None, folder: str, *, is_indexed: bool) -> Around:
    return replace(around, address=url and f"{url}/{folder}{_PAGE}", is_indexed=is_indexed)
