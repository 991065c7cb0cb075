"""The page with a person's own data: the link, the page, its forms, over real HTTP and a real relay."""

from __future__ import annotations

import csv
import io
import json
import quopri
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import jsonschema_rs
import pytest
from bs4 import BeautifulSoup
from sqlalchemy import func, insert, select, update

from campaigns.models import CampaignRow, Delivery
from campaigns.personal_data import holders
from campaigns.states import CampaignState, DeliveryState
from mailer.config import Settings
from mailer.database import Database
from mailer.database.columns import table
from subscribers import ledger, pending_requests, people, rights, suppression
from subscribers.address import AddressHasher, normalise
from subscribers.kinds import Channel, ConsentKind, SuppressionReason
from subscribers.own_data import to_csv
from subscribers.pending_requests import PENDING_REQUEST, RequestKind
from subscribers.personal_data import OWN_TABLES
from subscribers.service_mails import SERVICE_MAIL
from tests.support.campaign import SECRET, TOPIC, settings_for, subscribe
from tests.support.links import address_of, links_in
from tests.support.relay import FaultyRelay
from tests.support.schema import SCHEMA
from tests.support.web_server import serving
from web import create_app

PERSON, EMAIL = 1, "person1@example.com"
HASHER = AddressHasher([SECRET.encode()])
NOW = datetime.now(UTC)


@dataclass
class Site:
    """The served application with a relay, and one person."""

    database: Database
    settings: Settings
    client: httpx.AsyncClient
    relay: FaultyRelay
    unsubscribe_path: str = field(init=False)

    def __post_init__(self) -> None:
        links = links_in(self.database, self.settings.keys())
        url = links.url(PERSON, address_of(self.database, PERSON), TOPIC, "en")
        self.unsubscribe_path = urlsplit(url).path

    async def ask(self) -> httpx.Response:
        return await self.client.post(self.unsubscribe_path, data={"action": "own_data"})

    async def link(self, mails: int = 1) -> str:
        """The path of the newest link, once this many mails have arrived."""
        await self.relay.taken(mails)
        text = quopri.decodestring(self.relay.accepted[-1].content).decode()
        found = re.search(r"https://example\.com(/(?:me|confirm)/[\w.=-]+)", text)
        assert found is not None
        return found[1]

    async def open(self) -> tuple[str, BeautifulSoup]:
        """Ask for the link and open the page; returns its path and the page."""
        await self.ask()
        path = await self.link()
        answer = await self.client.post(path, data={"action": "open"})
        assert answer.status_code == 200
        return path, BeautifulSoup(answer.text, "html.parser")

    def record(self) -> rights.SubjectRecord:
        with self.database.read() as connection:
            return rights.look_up(connection, normalise(EMAIL), HASHER)

    def count(self, counted: Any) -> int:
        with self.database.read() as connection:
            return connection.execute(select(func.count()).select_from(counted)).scalar_one()


@pytest.fixture
async def site(sqlite_database: Database) -> AsyncIterator[Site]:
    subscribe(sqlite_database, 2)
    async with FaultyRelay() as relay:
        url = sqlite_database.url.render_as_string(hide_password=False)
        settings = settings_for(relay.port, database_url=url, brand={"name": "Acme"})
        async with serving(create_app(settings)) as address, httpx.AsyncClient(base_url=address) as client:
            client.timeout = 60
            yield Site(sqlite_database, settings, client, relay)


def token_in(page: BeautifulSoup, section: str) -> str:
    found = page.find("section", {"aria-labelledby": section}).find("input", {"name": "form"})
    return str(found["value"])


def heading(answer: httpx.Response) -> str:
    return BeautifulSoup(answer.text, "html.parser").h1.get_text(strip=True)


def mailed(database: Database) -> None:
    """A mail that the person was sent."""
    campaign, delivery = table(CampaignRow), table(Delivery)
    with database.write() as connection:
        number = connection.execute(
            insert(campaign)
            .values(
                slug="2.4.0", topic=TOPIC, locale="en", state=CampaignState.FINISHED, notes="{}",
                subject="Version 2.4.0", created_at=NOW,
            )
            .returning(campaign.c.id)
        ).scalar_one()  # fmt: skip
        connection.execute(
            insert(delivery).values(
                campaign_id=number, subscriber_id=PERSON, state=DeliveryState.ACCEPTED, attempts=1,
                next_attempt_at=NOW, first_attempted_at=NOW, attempted_at=NOW, completed_at=NOW,
                diagnostic="250 Ok, mailbox of Zoë",
            )
        )  # fmt: skip


async def test_the_link_goes_to_the_address_on_file_and_opens_the_page_once(site: Site) -> None:
    answer = await site.ask()
    assert heading(answer) == "Check your mailbox"
    path = await site.link()
    assert site.relay.accepted[0].recipient == EMAIL
    opened = await site.client.post(path, data={"action": "open"})
    assert heading(opened) == "Your data at Acme"
    again = await site.client.post(path, data={"action": "open"})
    assert (again.status_code, heading(again)) == (410, "This link no longer works")
    assert (await site.client.get(path)).status_code == 410


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_opening_the_link_spends_and_writes_nothing(site: Site, method: str) -> None:
    await site.ask()
    path = await site.link()
    for after in ("", "", ".", "%3E", "/"):
        assert (await site.client.request(method, path + after)).status_code == 200
    with site.database.read() as connection:
        assert connection.execute(select(PENDING_REQUEST.c.spent_at)).scalars().all() == [None]
    assert (await site.client.post(path, data={"action": "open"})).status_code == 200


async def test_there_is_at_most_one_link_an_hour_and_three_a_day(site: Site) -> None:
    first = await site.ask()
    for hours, links in ((0, 1), (1, 2), (2, 3), (3, 3), (23, 3)):
        with site.database.write() as connection:
            connection.execute(
                update(PENDING_REQUEST).values(
                    requested_at=datetime.now(UTC) - timedelta(hours=hours, seconds=1)
                )
            )
        answer = await site.ask()
        assert answer.text == first.text
        assert site.count(PENDING_REQUEST) == links


async def test_a_former_address_s_link_gets_no_link(site: Site) -> None:
    with site.database.write() as connection:
        rights.rectify(
            connection, normalise(EMAIL), rights.Correction(email=normalise("new@example.org")),
            hasher=HASHER, source="x", now=datetime.now(UTC),
        )  # fmt: skip
    answer = await site.ask()
    assert heading(answer) == "Check your mailbox"
    assert "new@" not in answer.text
    assert site.count(SERVICE_MAIL) == 0


async def test_the_page_shows_everything(site: Site) -> None:
    mailed(site.database)
    _, page = await site.open()
    shown = page.get_text(" ", strip=True)
    for text in (
        "Zoë",
        "de Vries 1",
        EMAIL,
        TOPIC,
        "Yes, mail me the release notes.",
        "Version 2.4.0",
        "Taken by the mail",
    ):
        assert text in shown


async def test_every_answer_keeps_to_itself(site: Site) -> None:
    await site.ask()
    path = await site.link()
    for answer in (await site.client.get(path), await site.client.post(path, data={"action": "open"})):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "Set-Cookie" not in answer.headers


async def test_names_are_corrected(site: Site) -> None:
    path, page = await site.open()
    names = {"form": token_in(page, "names"), "salutation": "", "first_name": "Zoé", "surname": "<b>Bos</b>"}
    answer = await site.client.post(path, data=names)
    assert "Your names have been saved." in answer.text
    assert "<b>Bos</b>" not in answer.text
    assert site.record().person.names == people.Names("", "Zoé", "<b>Bos</b>")
    assert site.record().history[-1].event.channel is Channel.PAGE
    wrong = await site.client.post(path, data=names | {"surname": "a\nb"})
    assert "Nothing has been changed." in wrong.text


async def test_a_new_address_counts_once_its_owner_confirms_it(site: Site) -> None:
    path, page = await site.open()
    form = token_in(page, "new-address")
    answer = await site.client.post(path, data={"form": form, "email": "Zoe@New.example"})
    assert "A mail has gone to the new address." in answer.text
    confirm_path = await site.link(mails=3)
    assert [mail.recipient for mail in site.relay.accepted[1:]] == [EMAIL, "Zoe@new.example"]
    assert (await site.client.get(confirm_path)).status_code == 200
    assert site.record().person.email == EMAIL
    confirmed = await site.client.post(confirm_path, data={"action": "confirm"})
    assert heading(confirmed) == "Your address has been changed"
    with site.database.read() as connection:
        moved = people.get(connection, PERSON)
        assert moved is not None
        assert moved.email == "Zoe@new.example"
        assert ledger.statuses(connection, [PERSON])[PERSON, TOPIC].state is ConsentKind.GRANTED
    assert (await site.client.post(confirm_path, data={"action": "confirm"})).status_code == 410


async def test_only_the_newest_new_address_can_be_confirmed(site: Site) -> None:
    path, page = await site.open()
    form = token_in(page, "new-address")
    await site.client.post(path, data={"form": form, "email": "mistyped@example.org"})
    mistyped = await site.link(mails=3)
    await site.client.post(path, data={"form": form, "email": "right@example.org"})
    right = await site.link(mails=5)
    assert (await site.client.post(mistyped, data={"action": "confirm"})).status_code == 410
    assert (await site.client.post(right, data={"action": "confirm"})).status_code == 200


async def test_a_change_of_address_ends_every_earlier_link_and_form(site: Site) -> None:
    path, page = await site.open()
    form = token_in(page, "new-address")
    await site.client.post(path, data={"form": form, "email": "mistyped@example.org"})
    mistyped = await site.link(mails=3)
    now = datetime.now(UTC)
    with site.database.write() as connection:
        for kind in (RequestKind.OWN_DATA, RequestKind.TOPIC):
            pending_requests.add(connection, kind, "en", now, subscriber_id=PERSON, topic=TOPIC)
        rights.rectify(
            connection, normalise(EMAIL), rights.Correction(email=normalise("right@example.org")),
            hasher=HASHER, source="by phone", now=now,
        )  # fmt: skip
        left = select(PENDING_REQUEST.c.id).where(PENDING_REQUEST.c.spent_at.is_(None))
        assert connection.execute(left).all() == []
    assert (await site.client.post(mistyped, data={"action": "confirm"})).status_code == 410
    for section, more in (("new-address", {"email": "a@example.org"}), ("erase", {"sure": "yes"}),
                          ("export", {"format": "json"})):  # fmt: skip
        answer = await site.client.post(path, data={"form": token_in(page, section)} | more)
        assert answer.status_code == 410
    with site.database.read() as connection:
        assert people.get(connection, PERSON).email == "right@example.org"


async def test_a_taken_address_is_answered_like_a_free_one_and_refused_at_its_confirmation(
    site: Site,
) -> None:
    path, page = await site.open()
    form = token_in(page, "new-address")
    taken = await site.client.post(path, data={"form": form, "email": "person2@example.com"})
    assert "A mail has gone to the new address." in taken.text
    confirmed = await site.client.post(await site.link(mails=3), data={"action": "confirm"})
    assert (confirmed.status_code, heading(confirmed)) == (409, "This address can't be used")
    assert site.record().person.email == EMAIL


async def test_three_new_addresses_a_day_are_mailed(site: Site) -> None:
    path, page = await site.open()
    form = token_in(page, "new-address")
    answers = [
        await site.client.post(path, data={"form": form, "email": f"new{number}@example.org"})
        for number in range(4)
    ]
    assert ["Try again tomorrow" in answer.text for answer in answers] == [False, False, False, True]


async def test_an_objection_ends_all_mail(site: Site) -> None:
    path, page = await site.open()
    answer = await site.client.post(path, data={"form": token_in(page, "object")})
    assert "You get no more mail." in answer.text
    record = site.record()
    assert record.statuses[TOPIC].state is ConsentKind.OBJECTED
    assert record.suppressed.reason is SuppressionReason.OBJECTED


async def test_an_erasure_needs_the_tick_and_leaves_nothing(site: Site) -> None:
    mailed(site.database)
    path, page = await site.open()
    form = token_in(page, "erase")
    assert "Tick the box" in (await site.client.post(path, data={"form": form})).text
    erased = await site.client.post(path, data={"form": form, "sure": "yes"})
    assert heading(erased) == "Your data have been erased"
    with site.database.read() as connection:
        assert people.get(connection, PERSON) is None
        assert connection.execute(select(table(Delivery).c.diagnostic)).scalars().all() == [None]
        assert suppression.find(connection, HASHER, [EMAIL])[EMAIL].reason is SuppressionReason.ERASED
    files = Path(site.database.url.database or "").parent.glob("mailer.db*")
    assert [file.name for file in files if b"person1@" in file.read_bytes()] == []
    assert (await site.client.post(path, data={"form": form, "sure": "yes"})).status_code == 410


@pytest.mark.parametrize("wanted", ["json", "csv", "html"])
async def test_the_export_is_complete_and_a_file(site: Site, wanted: str) -> None:
    mailed(site.database)
    path, page = await site.open()
    answer = await site.client.post(path, data={"form": token_in(page, "export"), "format": wanted})
    assert answer.headers["Content-Disposition"] == f'attachment; filename="my-data.{wanted}"'
    for text in (EMAIL, "de Vries 1", "Version 2.4.0", "Yes, mail me the release notes."):
        assert text in answer.text
    if wanted == "json":
        values = json.loads(answer.text)
        jsonschema_rs.Draft202012Validator(rights.EXPORT_SCHEMA).validate(values)
        assert [mail["outcome"] for mail in values["mails"]] == ["accepted"]
    elif wanted == "csv":
        rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
        assert {"part": "person", "number": "", "name": "email", "value": EMAIL} in rows
    else:
        assert "<form" not in answer.text


async def test_a_form_does_only_what_it_is_for(site: Site) -> None:
    """A token for one act, of one page, for 15 minutes, whatever else the POST says."""
    path, page = await site.open()
    export = token_in(page, "export")
    refused = await site.client.post(path, data={"form": export, "sure": "yes", "act": "erase"})
    assert refused.status_code == 400
    assert site.record().person.email == EMAIL
    for form in ("", export[:-2], export + "x", path.rpartition("/")[2]):
        assert (await site.client.post(path, data={"form": form, "format": "json"})).status_code == 410


@pytest.mark.parametrize("column", ["kind", "requested_at"])
async def test_after_a_restore_a_link_opens_no_other_request_with_its_number(site: Site, column: str) -> None:
    await site.ask()
    path = await site.link()
    other = {"kind": RequestKind.SIGN_UP, "requested_at": datetime.now(UTC) + timedelta(microseconds=1)}
    with site.database.write() as connection:
        connection.execute(update(PENDING_REQUEST).values({column: other[column]}))
    assert (await site.client.get(path)).status_code == 410
    assert (await site.client.post(path, data={"action": "open"})).status_code == 410


async def test_what_is_no_link_opens_nothing(site: Site) -> None:
    await site.ask()
    path = await site.link()
    token = path.rpartition("/")[2]
    for wrong in (f"/confirm/{token}", path[:-2], "/me/x", site.unsubscribe_path.replace("/u/", "/me/")):
        for answer in (await site.client.get(wrong), await site.client.post(wrong, data={"action": "open"})):
            assert answer.status_code == 404


def test_a_cell_that_a_spreadsheet_would_run_is_defused() -> None:
    written = to_csv({"surname": '=HYPERLINK("x")', "mails": [{"title": "+1"}, {"title": "plain"}]})
    cells = [row["value"] for row in csv.DictReader(io.StringIO(written, newline=""))]
    assert cells == ['\'=HYPERLINK("x")', "'+1", "plain"]


def test_every_table_about_people_has_a_holder() -> None:
    """A table is about people if it has their number, a field of theirs, or belongs to a row that has."""
    tables = SCHEMA.tables
    fields = {
        "subscriber_id",
        "subscriber_ids",
        "email",
        "salutation",
        "first_name",
        "surname",
        "address_hash",
    }
    about = {name for name, found in tables.items() if fields & set(found.c.keys())}
    while (
        grown := {
            name
            for name, found in tables.items()
            if any(key.column.table.name in about for key in found.foreign_keys)
        }
        - about
    ):
        about |= grown
    held = OWN_TABLES.union(*(holder.tables for holder in holders()))
    assert about == held
