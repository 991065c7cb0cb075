"""The unsubscribe endpoint over real HTTP, on real databases: RFC 8058, the page's buttons, and what it refuses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from bs4 import BeautifulSoup
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

import subscribers.web.form
import subscribers.web.unsubscribe
from mailer.config import Settings
from mailer.database import Database
from mailer.database.columns import table
from subscribers import ledger, rights, suppression
from subscribers.address import AddressHasher, HashedAddress, normalise
from subscribers.kinds import Channel, ConsentKind, SuppressionReason
from subscribers.ledger import LedgerEntry, NewEvent
from subscribers.models import Subscriber
from tests.support.campaign import SECRET, TOPIC, subscribe
from tests.support.links import address_of, links_in
from tests.support.settings import settings_of
from tests.support.web_server import serving
from web import create_app

JAN, ZOE = 1, 2  # their numbers on file
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@dataclass
class ServedSite:
    """The served application, two people who agreed, and their entries in the ledger."""

    database: Database
    settings: Settings
    client: httpx.AsyncClient
    token: str = field(init=False)

    def __post_init__(self) -> None:
        self.token = self.token_of(JAN)

    @property
    def path(self) -> str:
        return f"/u/{self.token}"

    def token_of(self, person: int, topic: str = TOPIC) -> str:
        links = links_in(self.database, self.settings.keys(), self.settings.public_url)
        return links.url(person, address_of(self.database, person), topic, "nl").rpartition("/")[2]

    def history(self, person: int = JAN) -> list[LedgerEntry]:
        with self.database.read() as connection:
            return ledger.history(connection, person)

    def kinds(self, person: int = JAN) -> list[ConsentKind]:
        return [line.event.kind for line in self.history(person)]

    def state(self, person: int = JAN) -> ConsentKind | None:
        with self.database.read() as connection:
            status = ledger.statuses(connection, {person}).get((person, TOPIC))
        return status.state if status else None

    def record(self, person: int, kind: ConsentKind, topic: str = TOPIC) -> None:
        now = datetime.now(UTC)
        with self.database.write() as connection:
            ledger.append(connection, [NewEvent(person, topic, kind, now, Channel.COMMAND)], now)


def settings_for(database: Database, public_url: str = "https://mail.example.com") -> Settings:
    return settings_of(
        database_url=database.url.render_as_string(hide_password=False),
        public_url=public_url,
        secret_keys=(SECRET,),
        brand={"name": "Acme"},
    )


@asynccontextmanager
async def served(database: Database) -> AsyncIterator[ServedSite]:
    """A site with two subscribers."""
    subscribe(database, 2)
    settings = settings_for(database)
    async with (
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=60) as client,
    ):
        yield ServedSite(database, settings, client)


@pytest.fixture
async def site(database: Database) -> AsyncIterator[ServedSite]:
    async with served(database) as made:
        yield made


def rename_tables(database: Database, old: str, new: str) -> None:
    """Take all tables of this room away, or bring them back."""
    with database.write() as connection:
        for name in ("consent", "consent_event", "subscriber", "suppression"):
            connection.exec_driver_sql(
                f"ALTER TABLE {old.format(table=name)} RENAME TO {new.format(table=name)}"
            )


def undo_on(page: httpx.Response) -> dict[str, str]:
    """What the page's button "subscribe again" posts."""
    code = BeautifulSoup(page.text, "html.parser").find("input", {"name": "undo"})
    return {"action": "resubscribe", "undo": str(code["value"])}


def heading(response: httpx.Response) -> str:
    return BeautifulSoup(response.text, "html.parser").h1.get_text(strip=True)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_opening_the_link_changes_nothing(site: ServedSite, method: str) -> None:
    for _ in range(3):
        response = await site.client.request(method, site.path)
        assert response.status_code == 200
    assert site.kinds() == [ConsentKind.GRANTED]


async def test_the_page_is_in_the_mail_s_language_and_masks_the_address(site: ServedSite) -> None:
    response = await site.client.get(site.path)
    assert heading(response) == "Uitschrijven?"
    assert '<html lang="nl">' in response.text
    assert "p…@example.com" in response.text
    assert "person1" not in response.text


@pytest.mark.parametrize("form", [{"data": ONE_CLICK}, {"files": {"List-Unsubscribe": (None, "One-Click")}}])
async def test_one_click_withdraws_without_cookie_or_redirect(site: ServedSite, form: dict[str, Any]) -> None:
    response = await site.client.post(site.path, **form)
    assert response.status_code == 200
    assert len(response.content) < 50
    assert "location" not in response.headers
    assert "set-cookie" not in response.headers
    last = site.history()[-1].event
    assert (last.kind, last.channel) == (ConsentKind.WITHDRAWN, Channel.ONE_CLICK)
    assert site.state(ZOE) is ConsentKind.GRANTED


async def test_repeating_it_is_fine_and_recorded_once(site: ServedSite) -> None:
    for _ in range(3):
        assert (await site.client.post(site.path, data=ONE_CLICK)).status_code == 200
    assert site.kinds() == [ConsentKind.GRANTED, ConsentKind.WITHDRAWN]


async def test_two_hundred_at_once_for_one_person_are_one_withdrawal(site: ServedSite) -> None:
    answers = await asyncio.gather(*(site.client.post(site.path, data=ONE_CLICK) for _ in range(200)))
    assert {answer.status_code for answer in answers} == {200}
    assert site.kinds() == [ConsentKind.GRANTED, ConsentKind.WITHDRAWN]
    with site.database.read() as connection:
        assert len(list(ledger.entries(connection))) == 3


@pytest.mark.parametrize(
    "after", ["/", ".", "%3E", ")", ",", "%22", "%20", "&utm_source=x", "&amp;x=1", "/.", "%E2%80%A6"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_mail_programs_and_people_add_to_a_link_is_the_same_link_and_no_redirect(
    site: ServedSite, method: str, after: str
) -> None:
    response = await site.client.request(method, site.path + after, data=ONE_CLICK)
    assert response.status_code == 200
    assert site.state() is (ConsentKind.WITHDRAWN if method == "POST" else ConsentKind.GRANTED)


async def test_the_page_of_a_link_with_a_full_stop_withdraws_and_undoes(site: ServedSite) -> None:
    done = await site.client.post(site.path + ".", data={"action": "withdraw"})
    assert site.state() is ConsentKind.WITHDRAWN
    await site.client.post(site.path + ".", data=undo_on(done))
    assert site.state() is ConsentKind.GRANTED


async def test_the_page_s_button_withdraws_and_the_next_one_undoes_it(site: ServedSite) -> None:
    done = await site.client.post(site.path, data={"action": "withdraw"})
    assert (done.status_code, heading(done)) == (200, "U bent uitgeschreven")
    assert site.state() is ConsentKind.WITHDRAWN
    assert heading(await site.client.get(site.path)) == "U staat niet op de lijst"

    back = await site.client.post(site.path, data=undo_on(done))
    assert (back.status_code, heading(back)) == (200, "U staat weer op de lijst")
    assert site.state() is ConsentKind.GRANTED
    assert heading(await site.client.get(site.path)) == "Uitschrijven?"


async def test_undoing_is_a_consent_to_the_words_that_the_page_showed(site: ServedSite) -> None:
    done = await site.client.post(site.path, data={"action": "withdraw"})
    shown = BeautifulSoup(done.text, "html.parser").find(id="consent").get_text()
    await site.client.post(site.path, data=undo_on(done))
    with site.database.read() as connection:
        proof = ledger.prove(connection, JAN, TOPIC)
    assert proof.wording.text == shown
    assert proof.grant.event.channel is Channel.PAGE
    assert (proof.wording.language, proof.wording.topic) == ("nl", TOPIC)
    assert "person" not in proof.wording.text
    assert "…" not in proof.wording.text


async def test_there_is_nothing_to_undo_for_somebody_who_did_not_withdraw(site: ServedSite) -> None:
    response = await site.client.post(site.path, data={"action": "resubscribe"})
    assert response.status_code == 200
    assert site.kinds() == [ConsentKind.GRANTED]


async def test_who_objected_is_not_put_back(site: ServedSite) -> None:
    site.record(JAN, ConsentKind.OBJECTED)
    page = await site.client.post(site.path, data={"action": "resubscribe"})
    assert "resubscribe" not in page.text
    assert site.state() is ConsentKind.OBJECTED


async def test_an_address_that_bounced_is_not_put_back(site: ServedSite) -> None:
    done = await site.client.post(site.path, data={"action": "withdraw"})
    subscriber = table(Subscriber)
    columns = subscriber.c.address_hash, subscriber.c.key_id
    with site.database.write() as connection:
        known = connection.execute(select(*columns).where(subscriber.c.id == JAN)).one()
        now, bounced = datetime.now(UTC), SuppressionReason.BOUNCED
        suppression.add(connection, HashedAddress(*known), bounced, now, now, channel=Channel.BOUNCE)
    page = await site.client.post(site.path, data=undo_on(done))
    assert "resubscribe" not in page.text
    assert site.state() is ConsentKind.WITHDRAWN


async def test_a_link_of_somebody_erased_is_answered_kindly_and_records_nothing(site: ServedSite) -> None:
    with site.database.write() as connection:
        hasher = AddressHasher(site.settings.keys())
        rights.erase(
            connection, normalise("person1@example.com"), hasher=hasher, source="test", now=datetime.now(UTC)
        )
    before = site.kinds()
    page = await site.client.get(site.path)
    assert (page.status_code, heading(page)) == (200, "U staat niet op de lijst")
    assert "resubscribe" not in page.text
    for form in (ONE_CLICK, {"action": "withdraw"}, {"action": "resubscribe"}):
        assert (await site.client.post(site.path, data=form)).status_code == 200
    assert site.kinds() == before


async def test_another_topic_is_left_alone(site: ServedSite) -> None:
    other = f"/u/{site.token_of(JAN, 'beta')}"
    assert (await site.client.post(other, data=ONE_CLICK)).status_code == 200
    assert site.kinds() == [ConsentKind.GRANTED]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_a_token_that_is_not_ours_gets_a_clear_404_and_changes_nothing(
    site: ServedSite, method: str
) -> None:
    token = site.token
    foreign = links_in(site.database, [b"another key, of the same length or so"]).url(
        JAN, address_of(site.database, JAN), TOPIC, "nl"
    )
    bad = [token[:-1], token[1:], token + "A", token.swapcase(), token.partition(".")[0], "x" * 5000, ""]
    bad += [foreign.rpartition("/")[2], "..%2F..%2Fetc%2Fpasswd", "%00", "%F0%9F%98%88"]
    for broken in bad:
        response = await site.client.request(method, f"/u/{broken}", data=ONE_CLICK)
        assert response.status_code == 404
        assert "set-cookie" not in response.headers
        assert method == "HEAD" or heading(response) == "This link does not work"
    assert site.kinds() == [ConsentKind.GRANTED]


async def test_a_line_break_in_the_address_makes_no_header(site: ServedSite) -> None:
    for path in ("/u/a%0D%0ASet-Cookie:%20a=b", site.path + "%0D%0ASet-Cookie:%20a=b"):
        response = await site.client.get(path)
        assert response.status_code == 404
        assert "set-cookie" not in response.headers


async def test_a_post_that_asks_for_nothing_is_a_400_and_changes_nothing(site: ServedSite) -> None:
    urlencoded = {"Content-Type": "application/x-www-form-urlencoded"}
    attempts: list[dict[str, Any]] = [
        {},
        {"data": {"List-Unsubscribe": "Two-Clicks"}},
        {"data": {"action": "delete"}},
        {"content": b"\xff\xfe\x00=%zz&&&;;", "headers": urlencoded},
        {"json": ONE_CLICK},
        {"files": {"List-Unsubscribe": ("file.txt", "One-Click")}},
        {"content": b"--x", "headers": {"Content-Type": "multipart/form-data"}},
        {"content": b"--x\r\n\r\n--x--", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"content": b"garbage", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"data": {str(number): "x" for number in range(50)}},
        {"data": {"action": "withdraw" * 500}},
    ]
    for attempt in attempts:
        response = await site.client.post(site.path, **attempt)
        assert (response.status_code, heading(response)) == (400, "Er ging iets mis")
    assert site.kinds() == [ConsentKind.GRANTED]


async def test_the_query_of_an_address_is_no_request(site: ServedSite) -> None:
    response = await site.client.post(site.path + "?List-Unsubscribe=One-Click&action=withdraw")
    assert response.status_code == 400
    assert site.kinds() == [ConsentKind.GRANTED]


async def _chunks() -> AsyncIterator[bytes]:
    for _ in range(20):
        yield b"List-Unsubscribe=One-Click&" * 100


async def test_a_body_that_is_too_large_is_refused_however_it_comes(site: ServedSite) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b"x=" + b"y" * 20_000, _chunks()):
        response = await site.client.post(site.path, content=body, headers=form)
        assert response.status_code in {400, 413}
    assert site.kinds() == [ConsentKind.GRANTED]


async def test_a_body_that_never_ends_is_a_400(site: ServedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribers.web.form, "BODY_SECONDS", 0.2)
    address = urlsplit(str(site.client.base_url))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"POST {site.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 26\r\n"
    head += "Content-Type: application/x-www-form-urlencoded\r\n\r\nList-Unsub"
    writer.write(head.encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    writer.close()
    assert site.kinds() == [ConsentKind.GRANTED]


async def test_a_visitor_who_hangs_up_half_way_changes_nothing(
    site: ServedSite, caplog: pytest.LogCaptureFixture
) -> None:
    address = urlsplit(str(site.client.base_url))
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"POST {site.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 26\r\n"
    writer.write((head + "Content-Type: application/x-www-form-urlencoded\r\n\r\nList").encode())
    await writer.drain()
    writer.close()
    assert (await site.client.get("/healthz")).status_code == 200
    assert site.kinds() == [ConsentKind.GRANTED]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_other_methods_are_refused(site: ServedSite, method: str) -> None:
    response = await site.client.request(method, site.path)
    assert response.status_code == 405
    assert set(response.headers["allow"].replace(" ", "").split(",")) == {"GET", "HEAD", "POST"}
    assert site.kinds() == [ConsentKind.GRANTED]


async def test_every_answer_keeps_the_token_to_itself(site: ServedSite) -> None:
    """No referrer, no cache, no cookie, no index, and a policy that loads nothing."""
    answers = [
        await site.client.get(site.path),
        await site.client.post(site.path, data=ONE_CLICK),
        await site.client.post(site.path),
        await site.client.get(site.path[:-1]),
    ]
    for answer in answers:
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "noindex" in answer.headers["x-robots-tag"]
        assert answer.headers["content-security-policy"].startswith("default-src 'none';")
        assert "set-cookie" not in answer.headers
        assert site.token not in answer.text


@pytest.mark.damage
async def test_tokens_are_never_logged_whole_or_in_part(
    sqlite_database: Database, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every logger at its most talkative, over every kind of answer, including one that fails."""
    for client_s_own in ("httpx", "httpcore"):
        caplog.set_level(logging.WARNING, client_s_own)
    caplog.set_level(logging.DEBUG)
    async with served(sqlite_database) as site:
        client = site.client
        await client.get(site.path)
        await client.head(site.path)
        await client.post(site.path, data=ONE_CLICK)
        await client.post(site.path)
        await client.get(site.path[:-1])
        rename_tables(sqlite_database, "{table}", "{table}_elsewhere")
        assert (await client.post(site.path, data=ONE_CLICK)).status_code == 503
    said = caplog.text + "".join(capfd.readouterr())
    assert "POST unsubscribe 503" in said
    for part in site.token.split("."):
        assert part not in said
        assert part[:12] not in said


@pytest.mark.damage
async def test_a_database_that_is_away_is_a_503_that_says_when_to_come_back(
    sqlite_database: Database,
) -> None:
    async with served(sqlite_database) as site:
        client = site.client
        rename_tables(sqlite_database, "{table}", "{table}_elsewhere")
        for answer in (
            await client.get(site.path),
            await client.post(site.path, data=ONE_CLICK),
            await client.post(site.path, data={"action": "withdraw"}),
        ):
            assert (answer.status_code, heading(answer)) == (503, "Tijdelijk niet beschikbaar")
            assert int(answer.headers["retry-after"]) > 0
        assert (await client.get("/healthz")).status_code == 503
        rename_tables(sqlite_database, "{table}_elsewhere", "{table}")
        assert (await client.post(site.path, data=ONE_CLICK)).status_code == 200
    assert site.state() is ConsentKind.WITHDRAWN


async def test_a_database_that_is_busy_too_long_is_a_503_and_the_withdrawal_still_counts(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers.web.unsubscribe, "ANSWER_SECONDS", 0.3)
    async with served(sqlite_database) as site:
        client = site.client
        with sqlite_database.write():
            assert (await client.post(site.path, data=ONE_CLICK)).status_code == 503
    assert site.state() is ConsentKind.WITHDRAWN


@pytest.mark.parametrize("prefix", ["/news", "/news/letters"])
async def test_it_answers_below_the_public_path_and_at_the_root(
    sqlite_database: Database, prefix: str
) -> None:
    """A reverse proxy may keep the path of public_url, or take it off."""
    subscribe(sqlite_database, 2)
    settings = settings_for(sqlite_database, f"https://example.com{prefix}")
    link = urlsplit(
        links_in(sqlite_database, settings.keys(), settings.public_url).url(
            JAN, address_of(sqlite_database, JAN), TOPIC, "en"
        )
    ).path
    assert link.startswith(prefix)
    async with (
        serving(create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=60) as client,
    ):
        for path in (link, link.removeprefix(prefix), link + "/"):
            assert (await client.get(path)).status_code == 200
            assert (await client.post(path, data=ONE_CLICK)).status_code == 200


async def test_health_and_metrics_tell_no_personal_data(site: ServedSite) -> None:
    await site.client.post(site.path, data=ONE_CLICK)
    done = await site.client.post(f"/u/{site.token_of(ZOE)}", data={"action": "withdraw"})
    await site.client.post(f"/u/{site.token_of(ZOE)}", data=undo_on(done))
    assert (await site.client.get("/healthz")).text == "ok\n"
    metrics = (await site.client.get("/metrics")).text
    assert 'mailer_withdrawals_total{channel="one_click"} 1.0' in metrics
    assert 'mailer_withdrawals_total{channel="page"} 1.0' in metrics
    assert "mailer_withdrawals_undone_total 1.0" in metrics
    assert 'mailer_http_answers_total{route="unsubscribe",status="200"} 3.0' in metrics
    assert 'mailer_http_answer_seconds_count{route="unsubscribe"} 3.0' in metrics
    assert site.token[:12] not in metrics
    assert "example" not in metrics


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=400) | st.text(max_size=200).map(str.encode),
    kind=st.sampled_from(
        [
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "multipart/form-data; boundary=x",
            "multipart/form-data; boundary=x; charset=idna",
            'multipart/form-data; boundary="',
            "text/html; charset=utf-16",
        ]
    ),
    frame=st.booleans(),
)
async def test_no_body_whatever_is_a_500(
    sqlite_house: ServedSite, body: bytes, kind: str, frame: bool
) -> None:
    if frame:
        part = b'--x\r\nContent-Disposition: form-data; name="action"\r\n\r\n'
        body = part + body + b"\r\n--x--\r\n"
    response = await sqlite_house.client.post(sqlite_house.path, content=body, headers={"Content-Type": kind})
    assert response.status_code == 400
    assert sqlite_house.kinds() == [ConsentKind.GRANTED]


@pytest.fixture
async def sqlite_house(sqlite_database: Database) -> AsyncIterator[ServedSite]:
    async with served(sqlite_database) as made:
        yield made
