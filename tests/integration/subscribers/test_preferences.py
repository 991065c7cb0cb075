"""Topics on the unsubscribe page: off by the link, on by a mail to the address on file."""

from __future__ import annotations

import asyncio
import quopri
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import pytest
from bs4 import BeautifulSoup
from sqlalchemy import func, select

import subscribers.web.preferences
from mailer.database import Database
from subscribers import ledger, suppression
from subscribers.kinds import Channel, ConsentKind, SuppressionReason
from subscribers.ledger import NewEvent
from subscribers.pending_requests import PENDING_REQUEST
from subscribers.service_mails import SERVICE_MAIL
from subscribers.web import answers
from tests.support.campaign import TOPIC, agree, settings_for, subscribe
from tests.support.links import address_of, links_in
from tests.support.relay import FaultyRelay
from tests.support.web_server import serving
from web import create_app

PERSON = 1
TOPICS = {
    TOPIC: {"nl": "Nieuwe versies", "en": "New versions"},
    "digest": {"nl": "Maandoverzicht", "en": "Monthly digest", "wording_en": "Yes, a digest please."},
}


@dataclass
class Site:
    """The served application, one person, and what went to the relay."""

    database: Database
    client: httpx.AsyncClient
    relay: FaultyRelay
    path: str

    async def post(self, action: str, topic: str = "") -> BeautifulSoup:
        answer = await self.client.post(self.path, data={"action": action, "topic": topic})
        assert answer.status_code == 200
        return BeautifulSoup(answer.text, "html.parser")

    async def page(self) -> BeautifulSoup:
        return BeautifulSoup((await self.client.get(self.path)).text, "html.parser")

    def states(self) -> dict[str, ConsentKind]:
        with self.database.read() as connection:
            return {
                topic: status.state for (_, topic), status in ledger.statuses(connection, [PERSON]).items()
            }


@asynccontextmanager
async def served(
    database: Database, also: Sequence[str] = (), topics: object = TOPICS
) -> AsyncIterator[Site]:
    subscribe(database, 1)
    for topic in also:
        agree(database, PERSON, topic=topic)
    async with FaultyRelay() as relay:
        url = database.url.render_as_string(hide_password=False)
        settings = settings_for(relay.port, database_url=url, brand={"name": "Acme"}, topics=topics)
        link = links_in(database, settings.keys()).url(PERSON, address_of(database, PERSON), TOPIC, "en")
        async with serving(create_app(settings)) as address, httpx.AsyncClient(base_url=address) as client:
            client.timeout = 60
            yield Site(database, client, relay, urlsplit(link).path)


def buttons(page: BeautifulSoup) -> dict[str, str]:
    """The accessible names of the buttons, with their actions."""
    return {
        str(button.get("aria-label") or button.get_text(strip=True)): str(button["value"])
        for button in page.find_all("button")
    }


async def test_below_the_button_that_leaves_all_each_topic_can_be_turned_off(
    sqlite_database: Database,
) -> None:
    async with served(sqlite_database, ["digest"]) as site:
        assert buttons(await site.page()) == {
            "Unsubscribe from everything": "withdraw_all",
            "Turn off: New versions": "turn_off",
            "Turn off: Monthly digest": "turn_off",
            "Send me a link to my data": "own_data",
        }
        page = await site.post("turn_off", "digest")
        assert "You get no more mail about “Monthly digest”." in page.get_text()
        assert site.states() == {TOPIC: ConsentKind.GRANTED, "digest": ConsentKind.WITHDRAWN}
        assert list(buttons(page))[:3] == ["Unsubscribe", "Turn off: New versions", "Turn on: Monthly digest"]


async def test_one_button_leaves_every_topic(sqlite_database: Database) -> None:
    async with served(sqlite_database, ["digest", "old-topic"]) as site:
        page = await site.post("withdraw_all")
        assert page.h1.get_text(strip=True) == "You are unsubscribed"
        assert set(site.states().values()) == {ConsentKind.WITHDRAWN}


async def test_writes_that_wait_take_the_page_away_from_nobody(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MOST_WRITES", 40)  # more than there are threads
    async with served(sqlite_database, ["digest"]) as site:
        form = {"action": "turn_on", "topic": "digest"}
        with sqlite_database.write():
            posts = [asyncio.create_task(site.client.post(site.path, data=form)) for _ in range(41)]
            [first], waiting = await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
            assert (first.result().status_code, "retry-after" in first.result().headers) == (503, True)
            assert "Turn off: Monthly digest" in buttons(await site.page())
            assert await asyncio.wait_for(asyncio.to_thread(int), 60) == 0
            assert not any(post.done() for post in waiting)
        assert {(await post).status_code for post in waiting} == {200}


async def test_who_leaves_all_leaves_all_where_the_page_can_t_show_the_topics(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers.web.preferences, "CHOICES_SECONDS", 0)
    async with served(sqlite_database, ["digest", "old-topic"]) as site:
        assert list(buttons(await site.page())) == [
            "Unsubscribe from everything",
            "Send me a link to my data",
        ]
        page = await site.post("withdraw_all")
        assert page.h1.get_text(strip=True) == "You are unsubscribed"
        assert list(site.states().values()) == [ConsentKind.WITHDRAWN] * 3


async def test_a_topic_is_on_once_its_mail_is_confirmed(sqlite_database: Database) -> None:
    async with served(sqlite_database) as site:
        page = await site.post("turn_on", "digest")
        assert "You get “Monthly digest” once you confirm it there." in page.get_text()
        await site.relay.taken(1)
        mail = site.relay.accepted[0]
        assert mail.recipient == "person1@example.com"
        assert site.states() == {TOPIC: ConsentKind.GRANTED}
        link = re.search(rb"https://example\.com(/confirm/[^\s]+)", quopri.decodestring(mail.content))
        path = link[1].decode()
        asked = await site.client.get(path)
        assert "Yes, a digest please." in asked.text
        assert site.states() == {TOPIC: ConsentKind.GRANTED}
        assert "You are on the list" in (await site.client.post(path, data={"action": "confirm"})).text
        assert site.states()["digest"] is ConsentKind.GRANTED
        with site.database.read() as connection:
            shown = ledger.prove(connection, PERSON, "digest")
            assert shown.wording.text == "Yes, a digest please."
            assert shown.grant.event.channel is Channel.PAGE


async def test_a_day_has_five_of_these_mails(sqlite_database: Database) -> None:
    async with served(sqlite_database) as site:
        pages = [await site.post("turn_on", "digest") for _ in range(7)]
        assert len({page.get_text() for page in pages}) == 1
        with site.database.read() as connection:
            requests = select(func.count()).select_from(PENDING_REQUEST)
            assert connection.execute(requests).scalar_one() == 5


@pytest.mark.parametrize("action", ["turn_on", "turn_off"])
async def test_what_is_no_topic_of_ours_changes_nothing(sqlite_database: Database, action: str) -> None:
    async with served(sqlite_database) as site:
        form = {"action": action, "topic": "no such topic"}
        assert (await site.client.post(site.path, data=form)).status_code == 400
        assert site.states() == {TOPIC: ConsentKind.GRANTED}


async def test_a_topic_that_the_person_objected_to_has_no_button(sqlite_database: Database) -> None:
    async with served(sqlite_database, ["digest"]) as site:
        now = datetime.now(UTC)
        with site.database.write() as connection:
            ledger.append(
                connection, [NewEvent(PERSON, "digest", ConsentKind.OBJECTED, now, Channel.COMMAND)], now
            )
        assert list(buttons(await site.page())) == [
            "Unsubscribe", "Turn off: New versions", "Send me a link to my data",
        ]  # fmt: skip
        await site.post("turn_on", "digest")
        with site.database.read() as connection:
            assert connection.execute(select(SERVICE_MAIL)).all() == []


async def test_a_suppressed_address_has_nothing_to_choose(sqlite_database: Database) -> None:
    async with served(sqlite_database) as site:
        hashed = address_of(site.database, PERSON)
        with site.database.write() as connection:
            now = datetime.now(UTC)
            suppression.add(connection, hashed, SuppressionReason.BOUNCED, now, now, channel=Channel.BOUNCE)
        assert "turn_on" not in buttons(await site.page()).values()


async def test_without_topics_in_the_settings_the_page_is_as_plain_as_before(
    sqlite_database: Database,
) -> None:
    async with served(sqlite_database, ["digest"], topics={}) as site:
        assert list(buttons(await site.page())) == ["Unsubscribe", "Send me a link to my data"]
