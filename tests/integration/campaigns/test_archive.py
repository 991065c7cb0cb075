"""The public pages of release notes: what is published, for whom, and how a reader keeps a copy."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Callable
from datetime import date, datetime, timedelta
from email import message_from_bytes, policy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from starlette.routing import Route

from campaigns import catalogue
from campaigns.archive import Published, PublishedCampaigns, last_change
from campaigns.lifecycle import Act
from campaigns.sending.compose import Composer
from mailer.config import Secret, key_source
from mailer.database import Database, installation_id
from subscribers.signed_tokens import SignedTokens
from tests.support.campaign import NOTES, TOPIC, settings_for
from tests.support.release_pages import PICTURE, START, Site
from tests.support.web_server import client_of
from web import create_app

DUTCH = NOTES._replace(title="Versie 2.4.0", locale="nl", body="## Toegevoegd\n\n- Een ding.\n")
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
async def served(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[Callable[..., Site]]:
    """Makes a site with the given settings."""
    yield partial(Site, sqlite_database, tmp_path)
    await sqlite_database.aclose()


@pytest.fixture
def site(served: Callable[..., Site]) -> Site:
    return served()


async def test_a_page_shows_the_notes_and_nobody(site: Site) -> None:
    site.send("2.4.0")
    answer = await site.get(site.view("2.4.0"))
    assert answer.status_code == 200
    assert "<h1>Version 2.4.0</h1>" in answer.text
    assert "https://example.com/thing" in answer.text
    for personal in ("__slot_", "/u/", "Dear", "agreed", "nsubscribe", "<script", "cid:"):
        assert personal not in answer.text
    assert "set-cookie" not in answer.headers


async def test_the_link_in_a_mail_leads_to_its_page_in_its_language(site: Site) -> None:
    site.send("2.4.0", NOTES._replace(translations=(DUTCH,)))
    with site.database.read() as connection:
        found = catalogue.find(connection, "2.4.0")
        rendered = catalogue.frozen_content(connection, found)
        installation = installation_id(connection)
    composer = Composer(found.id, "2.4.0", TOPIC, rendered, site.settings, installation=installation)
    for edition, title in zip(composer.editions, ("Version 2.4.0", "Versie 2.4.0"), strict=True):
        _, content = edition.sample(START)
        text = message_from_bytes(bytes(content), policy=policy.default).get_body(("plain",))
        assert text is not None
        (address,) = re.findall(r"https://example\.com/view/\S+", text.get_content())
        for after in ("", ".", "%3E", "&utm_source=x"):
            assert f"<h1>{title}</h1>" in (await site.get(address + after)).text


async def test_postgresql_shows_the_same(postgresql_database: Database, tmp_path: Path) -> None:
    site = Site(postgresql_database, tmp_path)
    site.send("2.3.0", NOTES._replace(title="Older"), START - timedelta(days=30))
    site.send("2.4.0")
    feed = json.loads((await site.get(f"/archive/{TOPIC}/feed.json")).content)
    assert [item["date_published"] for item in feed["items"]] == [
        "2026-11-01T09:00:00Z",
        "2026-10-02T09:00:00Z",
    ]
    assert (await site.get(f"/archive/{TOPIC}/en/2.3.0")).status_code == 200
    for odd in ("%00.png", "x.png", f"{'0' * 32}.png", "%ff"):
        assert (await site.get(f"/archive/{TOPIC}/images/{odd}")).status_code == 404
    await postgresql_database.aclose()


@pytest.mark.parametrize("enabled", [False, True])
def test_the_pages_are_off_unless_the_settings_turn_them_on(enabled: bool) -> None:
    app = create_app(settings_for(25, archive={"enabled": enabled}))
    paths = {route.path for route in app.routes if isinstance(route, Route)}
    assert ({"/view/{token}", "/archive/{topic}"} <= paths) is enabled
    assert enabled or not any(path.startswith(("/view", "/archive")) for path in paths)


async def test_without_topics_there_are_only_the_pages_that_mails_link_to(
    served: Callable[..., Site],
) -> None:
    site = served(archive={"topics": ()})
    site.send("2.4.0")
    for path in (f"/archive/{TOPIC}", f"/archive/{TOPIC}/en/2.4.0", f"/archive/{TOPIC}/feed.atom"):
        assert (await site.get(path)).status_code == 404
    shown = await site.get(site.view("2.4.0"))
    assert shown.status_code == 200
    assert "/archive" not in shown.text


@pytest.mark.parametrize(
    ("acts", "is_published"),
    [
        ((), False),
        ((Act.APPROVE,), False),
        ((Act.SEND,), True),
        ((Act.SEND, Act.PAUSE), True),
        ((Act.SEND, Act.FINISH), True),
        ((Act.SEND, Act.CANCEL), False),
    ],
)
async def test_a_campaign_is_published_from_the_start_of_its_sending_unless_it_is_cancelled(
    site: Site, acts: tuple[Act, ...], is_published: bool
) -> None:
    site.draft("2.4.0")
    for act in acts:
        site.act("2.4.0", act)
    expected = 200 if is_published else 404
    for path in (site.view("2.4.0"), f"/archive/{TOPIC}/en/2.4.0"):
        assert (await site.get(path)).status_code == expected
    for path in (f"/archive/{TOPIC}/en", f"/archive/{TOPIC}/feed.json"):
        assert ("Version 2.4.0" in (await site.get(path)).text) is is_published


async def test_a_hidden_campaign_has_no_page(served: Callable[..., Site]) -> None:
    site = served(archive={"hidden": ("2.4.0",)})
    site.send("2.4.0")
    assert (await site.get(site.view("2.4.0"))).status_code == 404
    assert "Version 2.4.0" not in (await site.get(f"/archive/{TOPIC}/en")).text


async def test_a_forged_or_foreign_token_is_not_found(site: Site) -> None:
    site.send("2.4.0")
    path = site.view("2.4.0")
    token = path.removeprefix("/view/")
    with site.database.read() as connection:
        other = SignedTokens(key_source(site.settings), b"another purpose", installation_id(connection)).make(
            "1.en"
        )
    for forged in (
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        f"={token}",
        other,
        "x",
        "%00",
        "a" * 500,
    ):
        assert (await site.get(f"/view/{forged}")).status_code == 404
    assert (await site.get(f"{path}/images/x.png")).status_code == 404


async def test_pages_answer_get_and_head_only(site: Site) -> None:
    site.send("2.4.0")
    async with site.client() as client:
        for path in (site.view("2.4.0"), f"/archive/{TOPIC}", f"/archive/{TOPIC}/feed.atom"):
            assert (await client.head(path)).status_code == 200
            assert (await client.post(path)).status_code == 405


async def test_a_list_is_newest_first_and_in_the_readers_language(site: Site) -> None:
    site.send("2.3.0", NOTES._replace(title="Older"), START - timedelta(days=30))
    site.send("2.4.0", NOTES._replace(translations=(DUTCH,)))
    dutch = await site.get(f"/archive/{TOPIC}", **{"Accept-Language": "nl"})
    assert dutch.headers["Content-Language"] == "nl"
    assert dutch.headers["Vary"] == "Accept-Language"
    assert dutch.text.index("Versie 2.4.0") < dutch.text.index("Older")
    assert f'href="/archive/{TOPIC}/nl/2.4.0"' in dutch.text
    assert f'href="/archive/{TOPIC}/en/2.3.0"' in dutch.text, "it is not there in Dutch"
    assert (await site.get(f"/archive/{TOPIC}/nl/2.3.0")).status_code == 404


@pytest.mark.parametrize("is_indexed", [False, True])
async def test_search_engines_may_list_only_what_the_settings_say(
    served: Callable[..., Site], is_indexed: bool
) -> None:
    site = served(archive={"indexed": is_indexed})
    site.send("2.4.0")
    for path in (f"/archive/{TOPIC}", f"/archive/{TOPIC}/en/2.4.0"):
        answer = await site.get(path)
        assert ("noindex" in answer.text) is not is_indexed
        assert ("X-Robots-Tag" in answer.headers) is not is_indexed
    assert "noindex" in (await site.get(site.view("2.4.0"))).text


async def test_pictures_come_from_the_same_host_and_never_change(site: Site) -> None:
    (site.folder / "plan.png").write_bytes(PICTURE)
    site.send("2.4.0", NOTES._replace(body="![The plan](plan.png)\n\n## Added\n\n![Again](plan.png)\n"))
    for path, start in (
        (site.view("2.4.0"), site.view("2.4.0")),
        (f"/archive/{TOPIC}/en/2.4.0", "/archive/"),
    ):
        page = await site.get(path)
        address = page.text.partition(f'<img src="{start}')[2].partition('"')[0]
        picture = await site.get(start + address)
        assert picture.content == PICTURE
        assert picture.headers["Content-Type"] == "image/png"
        assert "immutable" in picture.headers["Cache-Control"]
    site.act("2.4.0", Act.CANCEL)
    assert (await site.get(start + address)).status_code == 404


async def test_a_picture_on_another_host_becomes_a_link(served: Callable[..., Site]) -> None:
    site = served(image_hosts=("cdn.example",))
    site.send("2.4.0", NOTES._replace(body="![A map](https://cdn.example/map.png)\n"))
    page = await site.get(site.view("2.4.0"))
    assert "<img" not in page.text
    assert '<a href="https://cdn.example/map.png">' in page.text


async def test_an_atom_feed_has_what_rfc_4287_requires(site: Site) -> None:
    (site.folder / "plan.png").write_bytes(PICTURE)
    site.send("2.3.0", NOTES._replace(body="A <b>bold</b> & a bell.\n"), START - timedelta(days=30))
    site.send(
        "2.4.0",
        NOTES._replace(
            translations=(DUTCH,),
            body="![The plan](plan.png)\n\n| a | b | c | d |\n|-|-|-|-|\n| 1 | two words and more | 3 | 4 |\n",
        ),
    )
    answer = await site.get(f"/archive/{TOPIC}/feed.atom")
    assert answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    feed = ET.fromstring(answer.content)  # noqa: S314 - our own
    assert feed.tag == f"{ATOM}feed"
    entries = feed.findall(f"{ATOM}entry")
    for one in (feed, *entries):
        for name in ("id", "title", "updated"):
            assert len(one.findall(f"{ATOM}{name}")) == 1
        assert one.findtext(f"{ATOM}id", "").startswith("urn:uuid:")
        datetime.fromisoformat(one.findtext(f"{ATOM}updated", ""))
    assert feed.findtext(f"{ATOM}author/{ATOM}name")
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{ATOM}link")}
    assert links["self"] == f"https://example.com/archive/{TOPIC}/feed.en.atom"
    assert (await site.get(links["self"] or "")).content == answer.content
    assert len({one.findtext(f"{ATOM}id") for one in entries}) == len(entries) == 2
    content = entries[0].findtext(f"{ATOM}content", "")
    assert f'src="https://example.com/archive/{TOPIC}/images/' in content
    assert 'class="label"' not in content
    assert "<table" in content
    assert "&lt;" not in content
    assert "<strong>bold</strong> &amp; a bell" in entries[1].findtext(f"{ATOM}content", "")
    dutch = ET.fromstring((await site.get(f"/archive/{TOPIC}/feed.nl.atom")).content)  # noqa: S314
    assert [one.findtext(f"{ATOM}title") for one in dutch.findall(f"{ATOM}entry")] == [
        "Versie 2.4.0",
        "Version 2.4.0",
    ]


async def test_a_json_feed_follows_version_1_1(site: Site) -> None:
    site.send("2.4.0")
    answer = await site.get(f"/archive/{TOPIC}/feed.json")
    assert answer.headers["Content-Type"] == "application/feed+json"
    feed = json.loads(answer.content)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["title"] == "Release notes of Release Mailer"
    (item,) = feed["items"]
    assert item["id"].startswith("urn:uuid:")
    assert item["url"] == f"https://example.com/archive/{TOPIC}/en/2.4.0"
    assert item["date_published"] == "2026-11-01T09:00:00Z"
    assert "A <a href=" in item["content_html"]


@pytest.mark.parametrize(
    "path", [f"/archive/{TOPIC}/feed.atom", f"/archive/{TOPIC}/en", f"/archive/{TOPIC}/en/2.4.0"]
)
async def test_a_reader_who_has_it_already_is_not_sent_it_again(site: Site, path: str) -> None:
    site.send("2.4.0")
    async with site.client() as client:
        first = await client.get(path)
        tag = first.headers["ETag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = await client.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["ETag"] == tag
            assert again.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"]
        assert (await client.get(path, headers={"If-None-Match": '"other"'})).status_code == 200
        site.send("2.5.0", at=START + timedelta(days=1))
        assert (await client.get(path, headers={"If-None-Match": tag})).status_code == 200


async def test_a_date_is_a_validator_where_there_is_no_etag(site: Site) -> None:
    site.send("2.4.0")
    path = f"/archive/{TOPIC}/feed.atom"
    async with site.client() as client:
        moment = (await client.get(path)).headers["Last-Modified"]
        assert (await client.get(path, headers={"If-Modified-Since": moment})).status_code == 304
        both = {"If-Modified-Since": moment, "If-None-Match": '"other"'}
        assert (await client.get(path, headers=both)).status_code == 200
        far = "Sun, 01 Nov 2026 09:00:00 -99999999999999999999"
        for unusable in ("x", "Mon, 99 Foo", far, "Sun, 01 Nov 2020 09:00:00 GMT"):
            answer = await client.get(path, headers={"If-Modified-Since": unusable})
            assert answer.status_code == 200
        site.act("2.4.0", Act.CANCEL, START + timedelta(days=1))
        assert (await client.get(path, headers={"If-Modified-Since": moment})).status_code == 200


async def test_the_address_of_an_entry_changes_with_no_key_and_its_page_outlives_a_rotation(
    site: Site,
) -> None:
    site.send("2.4.0")
    path, feed = site.view("2.4.0"), (await site.get(f"/archive/{TOPIC}/feed.json")).content
    keys = (*site.settings.secret_keys, Secret("another-key-that-is-long-enough-for-tests"))
    site.settings = site.settings.replace(secret_keys=keys)
    assert (await site.get(path)).status_code == 200
    assert (await site.get(f"/archive/{TOPIC}/feed.json")).content == feed
    assert site.view("2.4.0") != path


async def test_below_a_path_the_pages_link_to_each_other(served: Callable[..., Site]) -> None:
    site = served()
    site.settings = site.settings.replace(public_url="https://example.com/mail")
    site.send("2.4.0", NOTES._replace(date=date(2026, 11, 1)))
    page = await site.get(f"/mail/archive/{TOPIC}/en")
    assert f'href="/mail/archive/{TOPIC}/en/2.4.0"' in page.text
    assert (await site.get(f"/mail/archive/{TOPIC}/en/2.4.0")).status_code == 200


@pytest.mark.parametrize("folder", ["", "/mail"])
async def test_a_slash_too_many_is_not_redirected_to_the_host_that_a_request_names(
    sqlite_database: Database, folder: str
) -> None:
    url = sqlite_database.url.render_as_string()
    settings = settings_for(25, archive={"enabled": True, "topics": (TOPIC,)}, database_url=url)
    app = create_app(settings.replace(public_url=f"https://example.com{folder}"))
    async with client_of(app, "http://evil.example") as visitor:
        for path in (f"/archive/{TOPIC}/en/2.4.0/", "/view/token/", "/confirm/token/"):
            answer = await visitor.get(folder + path)
            assert (answer.status_code, answer.headers.get("Location")) == (404, None)


async def test_an_empty_archive_has_a_page_and_valid_feeds(site: Site) -> None:
    assert "Nothing has been published" in (await site.get(f"/archive/{TOPIC}/en")).text
    ET.fromstring((await site.get(f"/archive/{TOPIC}/feed.atom")).content)  # noqa: S314
    assert json.loads((await site.get(f"/archive/{TOPIC}/feed.json")).content)["items"] == []
    for unknown in (
        f"/archive/{TOPIC}/fr",
        "/archive/other",
        f"/archive/{TOPIC}/en/none",
        f"/archive/{TOPIC}/feed.rss",
    ):
        assert (await site.get(unknown)).status_code == 404


def test_a_list_reads_no_contents(site: Site) -> None:
    """Rows with their contents are long, and anybody may ask for a list."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        statements.append((statement, values))

    with site.database.read() as connection:
        event.listen(connection, "before_cursor_execute", note)
        published = PublishedCampaigns(("2.4.0",))
        published.of_topic(connection, TOPIC, start=20, most=20)
        published.count(connection, TOPIC)
        published.neighbours(connection, Published(1, "2.3.0", TOPIC, "", START, ()))
        last_change(connection, TOPIC)
        executed = list(statements)
        assert len(executed) == 5
        for statement, values in executed:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            assert "COVERING INDEX ix_campaign_published" in str(plan)
