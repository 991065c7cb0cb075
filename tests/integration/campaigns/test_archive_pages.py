"""An archive of many campaigns: its list has pages, and its feeds have archive documents (RFC 5005)."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from campaigns.archive import Archive, PublishedCampaigns
from campaigns.archive.export import archive_files
from campaigns.rendering import brand_of
from campaigns.tables import campaign
from mailer.database import Database, installation_id
from tests.support.campaign import TOPIC
from tests.support.release_pages import START, Site

ATOM = "{http://www.w3.org/2005/Atom}"
ARCHIVE = "{http://purl.org/syndication/history/1.0}archive"
ROOT = f"/archive/{TOPIC}"


@pytest.fixture
async def site(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[Site]:
    """A site with one campaign."""
    made = Site(sqlite_database, tmp_path)
    made.send("1")
    yield made
    await sqlite_database.aclose()


@pytest.fixture
def two_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns.archive.archive.NOTES_ON_A_PAGE", 2)


def add_until(site: Site, last: int, first: int = 2) -> None:
    """Campaigns with the content of the first, named by numbers. Pairs of them began in the same second."""
    copied = [one.name for one in campaign.c if one.name not in {"id", "slug", "started_at"}]
    with site.database.write() as connection:
        stored = connection.execute(campaign.select().where(campaign.c.slug == "1")).mappings().one()
        connection.execute(
            campaign.insert(),
            [
                {name: stored[name] for name in copied}
                | {"slug": str(number), "started_at": START + timedelta(seconds=number // 2)}
                for number in range(first, last + 1)
            ],
        )


@contextmanager
def statements_of(database: Database) -> Iterator[list[object]]:
    """Gets the parameters of each statement."""
    executed: list[object] = []

    def note(_connection: object, _cursor: object, _statement: str, values: object, *_: object) -> None:
        executed.append(values)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield executed
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


async def test_an_answer_of_an_archive_of_2000_campaigns_reads_few_of_them(site: Site) -> None:
    add_until(site, 2000)
    for path, most in (
        (f"{ROOT}/en/page/50", 20),
        (f"{ROOT}/feed.en.7.atom", 20),
        (f"{ROOT}/en/1000", 3),
        (f"{ROOT}/images/{'0' * 32}.png", 0),
    ):
        with statements_of(site.database) as executed:
            answer = await site.get(path)
        assert answer.status_code == (200 if most else 404)
        assert len(answer.content) < 100_000, path
        # Of each campaign the headline, and the notes with pictures.
        assert most <= len(executed) < 10 + 3 * most, path
        assert max(len(str(values)) for values in executed) < 500, path


@pytest.mark.usefixtures("two_a_page")
async def test_every_campaign_is_on_one_page_of_the_list(site: Site) -> None:
    add_until(site, 5)
    path: str | None = f"{ROOT}/en"
    shown = []
    while path:
        page = (await site.get(path)).text
        shown.append(re.findall(r'<h3><a href="[^"]+/en/(\d+)">', page))
        assert f"Page {len(shown)} of 3" in page
        older = re.search(r'class="older" href="([^"]+)" rel="next"', page)
        path = older[1] if older else None
    assert shown == [["5", "4"], ["3", "2"], ["1"]]


@pytest.mark.usefixtures("two_a_page")
async def test_a_page_of_the_list_has_one_address(site: Site) -> None:
    add_until(site, 5)
    for other in ("0", "1", "02", "4", "9" * 30, "x", "%00"):
        assert (await site.get(f"{ROOT}/en/page/{other}")).status_code == 404
    for other in ("2", "en.0", "en.01", "en.3", f"en.{'9' * 30}", "fr.1"):
        assert (await site.get(f"{ROOT}/feed.{other}.atom")).status_code == 404
    assert (await site.get(f"{ROOT}/en/page")).status_code == 404, "a campaign may have this name"


@pytest.mark.usefixtures("two_a_page")
async def test_an_older_page_links_to_the_others_and_has_validators(site: Site) -> None:
    add_until(site, 5)
    path = f"{ROOT}/en/page/2"
    page = await site.get(path)
    assert "<title>Release notes, Page 2 of 3 ·" in page.text
    assert f'<a class="newer" href="{ROOT}/en" rel="prev">' in page.text
    assert f'<a class="older" href="{ROOT}/en/page/3" rel="next">' in page.text
    assert f'hreflang="nl" href="{ROOT}/nl/page/2"' in page.text
    async with site.client() as client:
        head = await client.head(path)
        assert head.content == b""
        for name in ("ETag", "Last-Modified", "Content-Length"):
            assert head.headers[name] == page.headers[name]
        known = {"If-None-Match": page.headers["ETag"]}
        assert (await client.get(path, headers=known)).status_code == 304


@pytest.mark.usefixtures("two_a_page")
@pytest.mark.parametrize(
    ("campaigns", "documents"),
    [
        (2, [["2", "1"]]),
        (3, [["3", "2"], ["2", "1"]]),
        (4, [["4", "3"], ["2", "1"]]),
        (5, [["5", "4"], ["4", "3"], ["2", "1"]]),
    ],
)
async def test_a_reader_finds_every_campaign_in_the_documents_of_a_feed(
    site: Site, campaigns: int, documents: list[list[str]]
) -> None:
    add_until(site, campaigns)
    for kind in ("atom", "json"):
        path: str | None = f"{ROOT}/feed.{kind}"
        found = []
        while path:
            document = (await site.get(path)).text
            found.append(re.findall(r'(?:"url": |hreflang="en" href=)"[^"]+/en/(\d+)"', document))
            older = re.search(r'(?:"next_url": |rel="prev-archive" type="[^"]+" href=)"([^"]+)"', document)
            path = older[1] if older else None
        assert found == documents


@pytest.mark.usefixtures("two_a_page")
async def test_an_archive_document_says_so_and_stays_when_a_campaign_is_added(site: Site) -> None:
    add_until(site, 5)
    path = f"{ROOT}/feed.en.1.atom"
    first = await site.get(path)
    archived = ET.fromstring(first.content)  # noqa: S314 - our own
    assert archived.find(ARCHIVE) is not None
    links = {link.get("rel"): link.get("href") for link in archived.findall(f"{ATOM}link")}
    root = f"https://example.com{ROOT}"
    assert links == {
        "self": f"{root}/feed.en.1.atom",
        "current": f"{root}/feed.en.atom",
        "next-archive": f"{root}/feed.en.2.atom",
        "alternate": f"{root}/en",
    }
    current = ET.fromstring((await site.get(f"{ROOT}/feed.atom")).content)  # noqa: S314
    assert current.find(ARCHIVE) is None
    assert current.findtext(f"{ATOM}id") == archived.findtext(f"{ATOM}id")
    add_until(site, 7, first=6)
    assert (await site.get(path)).content == first.content


@pytest.mark.parametrize("engine", ["sqlite_database", "postgresql_database"])
def test_neighbours_of_a_campaign_are_those_beside_it_in_the_list(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    site = Site(request.getfixturevalue(engine), tmp_path)
    site.send("1")
    add_until(site, 6)
    published = PublishedCampaigns(("4",))
    with site.database.read() as connection:
        order = published.of_topic(connection, TOPIC)
        assert [one.slug for one in order] == ["6", "5", "3", "2", "1"]
        assert published.count(connection, TOPIC) == 5
        assert published.of_topic(connection, TOPIC, start=1, most=2) == order[1:3]
        for place, found in enumerate(order):
            assert published.named(connection, TOPIC, found.slug) == found
            beside = [one for one in published.neighbours(connection, found) if one]
            assert beside == order[max(place - 1, 0) : place] + order[place + 1 : place + 2]


@pytest.mark.usefixtures("two_a_page")
def test_an_exported_archive_has_every_page_and_document(site: Site) -> None:
    add_until(site, 5)
    with site.database.read() as connection:
        archive = Archive(site.settings, brand_of(site.settings), installation_id(connection))
        files = archive_files(connection, archive, [TOPIC], "en")
    lists = {path for path in files if path.endswith("index.html") and not re.search(r"/en/\d", path)}
    assert lists == {
        f"{TOPIC}/{folder}index.html"
        for folder in ("", "en/", "nl/", "en/page/2/", "en/page/3/", "nl/page/2/", "nl/page/3/")
    }
    feeds = {path for path in files if path.endswith(".atom")}
    assert feeds == {
        f"{TOPIC}/feed{name}.atom" for name in ("", ".en", ".nl", ".en.1", ".en.2", ".nl.1", ".nl.2")
    }
    second = files[f"{TOPIC}/en/page/2/index.html"].decode()
    assert f'href="../../../../{TOPIC}/en/page/3/index.html"' in second
    assert f'href="../../../../{TOPIC}/en/3/index.html"' in second
    assert '"next_url": "../' in files[f"{TOPIC}/feed.json"].decode()
