"""Leaving by a link: which bodies count, whose link it is, and what can be undone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from bs4 import BeautifulSoup
from sqlalchemy import text

import web
from mailer.config import Secret, Settings
from mailer.database import Database
from subscribers import audience, ledger, rights
from subscribers.address import AddressHasher, HashedAddress, normalise
from subscribers.intake import Applicant, Evidence, admission
from subscribers.kinds import Channel, ConsentKind
from subscribers.people import Names
from subscribers.self_service import NO_ADDRESS, unsubscribe
from subscribers.self_service.unsubscribe import Withdrawal
from subscribers.topic import Topic
from tests.support.campaign import SECRET, TOPIC, subscribe
from tests.support.links import address_of, links_in, target_of
from tests.support.web_server import serving

ONE_CLICK = b"List-Unsubscribe=One-Click"
JAN = normalise("person1@example.com")
NEW = normalise("new@example.com")
HASHER = AddressHasher([SECRET.encode()])
PART = b'Content-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n'


class Visitor:
    """Somebody with the link in the first mail to person 1, and the office that keeps the file."""

    def __init__(self, database: Database, client: httpx.AsyncClient) -> None:
        self.database, self.client = database, client
        self.path = self.path_of(1, address_of(database, 1))

    def path_of(self, person: int, address: HashedAddress) -> str:
        links = links_in(self.database, [SECRET.encode()])
        return "/u/" + links.url(person, address, TOPIC, "en").rpartition("/u/")[2]

    async def post(self, **form: str) -> httpx.Response:
        return await self.client.post(self.path, data=form)

    def state(self, person: int = 1) -> ConsentKind | None:
        with self.database.read() as connection:
            status = ledger.statuses(connection, [person]).get((person, TOPIC))
        return status.state if status else None

    def mailable(self) -> int:
        with self.database.read() as connection:
            return audience.count(connection, TOPIC)

    def change_address(self) -> None:
        with self.database.write() as connection:
            correction = rights.Correction(email=NEW)
            rights.rectify(connection, JAN, correction, hasher=HASHER, source="x", now=datetime.now(UTC))

    def erase(self) -> None:
        with self.database.write() as connection:
            rights.erase(connection, JAN, hasher=HASHER, source="x", now=datetime.now(UTC))

    def admit(self, hasher: AddressHasher = HASHER) -> None:
        now = datetime.now(UTC)
        applicant = Applicant(0, Names(), JAN, hasher.newest(JAN.key), now)
        with self.database.write() as connection:
            evidence = Evidence(Topic(TOPIC), "a form", "Yes, mail me.")
            admission.admit(connection, [applicant], evidence, hasher, now)

    def withdraw(self, source: str) -> bool:
        with self.database.write() as connection:
            now = datetime.now(UTC)
            return rights.withdraw(connection, JAN, TOPIC, hasher=HASHER, source=source, now=now)


@asynccontextmanager
async def visiting(database: Database) -> AsyncIterator[Visitor]:
    subscribe(database, 2)
    settings = Settings(
        database_url=Secret(database.url.render_as_string(hide_password=False)),
        public_url="https://mail.example.com",
        secret_keys=(Secret(SECRET),),
    )
    async with (
        serving(web.create_app(settings)) as address,
        httpx.AsyncClient(base_url=address, timeout=60) as client,
    ):
        yield Visitor(database, client)


@pytest.fixture
async def visitor(database: Database) -> AsyncIterator[Visitor]:
    async with visiting(database) as found:
        yield found


@pytest.fixture
async def sqlite_visitor(sqlite_database: Database) -> AsyncIterator[Visitor]:
    async with visiting(sqlite_database) as found:
        yield found


def undo_code_on(page: httpx.Response) -> str | None:
    code = BeautifulSoup(page.text, "html.parser").find("input", {"name": "undo"})
    return str(code["value"]) if code else None


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/octet-stream",
        "application/json",
        "application/x-www-form-urlencoded; charset=utf-8",
        "multipart/form-data",
        "multipart/form-data; boundary=other",
        "nonsense",
        "",
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        ONE_CLICK,
        ONE_CLICK + b"\r\n",
        b"list-unsubscribe=one-click",
        b"a=b&List-Unsubscribe=One-Click",
        b"--x\r\n" + PART + b"--x--\r\n",
        b"--x\r\n" + PART + b"--x--",
        b"\r\n--a b'c\r\n" + PART + b"--a b'c--\r\n",
    ],
)
async def test_a_one_click_body_withdraws_whatever_its_content_type(
    sqlite_visitor: Visitor, body: bytes, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = await sqlite_visitor.client.post(sqlite_visitor.path, content=body, headers=headers)
    assert answer.status_code == 200
    assert sqlite_visitor.state() is ConsentKind.WITHDRAWN


async def test_an_empty_post_is_told_what_is_missing(sqlite_visitor: Visitor) -> None:
    answer = await sqlite_visitor.client.post(sqlite_visitor.path)
    assert answer.status_code == 400
    assert "List-Unsubscribe=One-Click" in answer.text
    assert sqlite_visitor.state() is ConsentKind.GRANTED


@pytest.mark.parametrize("form", [{"List-Unsubscribe": "One-Click"}, {"action": "withdraw"}])
async def test_the_link_of_an_earlier_address_never_touches_the_new_one(
    visitor: Visitor, form: dict[str, str]
) -> None:
    visitor.change_address()
    answer = await visitor.post(**form)
    assert answer.status_code == 200
    assert undo_code_on(answer) is None
    assert "new@" not in answer.text
    assert visitor.state() is ConsentKind.GRANTED
    assert visitor.mailable() == 2
    fresh = visitor.path_of(1, address_of(visitor.database, 1))
    assert (await visitor.client.post(fresh, content=ONE_CLICK)).status_code == 200
    assert visitor.state() is ConsentKind.WITHDRAWN


@pytest.mark.parametrize("leave", ["erase", "change_address"])
@pytest.mark.parametrize("rotated", [False, True])
async def test_an_old_link_still_ends_the_mail_to_its_address_after_it_came_back(
    visitor: Visitor, leave: str, *, rotated: bool
) -> None:
    """Also where the secret keys were rotated in between."""
    getattr(visitor, leave)()
    before = visitor.mailable()
    visitor.admit(
        AddressHasher([SECRET.encode(), b"a newer secret key, 32 characters.."]) if rotated else HASHER
    )
    assert visitor.mailable() == before + 1
    page = await visitor.client.get(visitor.path)
    assert "<button" in page.text
    assert (await visitor.client.post(visitor.path, content=ONE_CLICK)).status_code == 200
    assert visitor.mailable() == before


async def test_a_link_of_another_installation_with_the_same_keys_is_a_404(sqlite_visitor: Visitor) -> None:
    with sqlite_visitor.database.write() as connection:
        connection.execute(text("UPDATE installation SET id = 'another'"))
    foreign = sqlite_visitor.path_of(1, address_of(sqlite_visitor.database, 1))
    with sqlite_visitor.database.write() as connection:
        connection.execute(text("UPDATE installation SET id = 'this one'"))
    assert (await sqlite_visitor.client.post(foreign, content=ONE_CLICK)).status_code == 404
    assert sqlite_visitor.state() is ConsentKind.GRANTED


async def test_a_withdrawal_on_the_page_is_undone_on_that_page_only(visitor: Visitor) -> None:
    done = await visitor.post(action="withdraw")
    code = undo_code_on(done)
    assert code
    assert undo_code_on(await visitor.client.get(visitor.path)) is None
    await visitor.post(action="resubscribe")
    await visitor.post(action="resubscribe", undo=code[:-1] + ("A" if code[-1] != "A" else "B"))
    assert visitor.state() is ConsentKind.WITHDRAWN
    await visitor.post(action="resubscribe", undo=code)
    assert visitor.state() is ConsentKind.GRANTED


@pytest.mark.parametrize("age", [timedelta(minutes=59), timedelta(minutes=61)])
async def test_undoing_works_for_an_hour(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, age: timedelta
) -> None:
    code = undo_code_on(await visitor.post(action="withdraw"))
    monkeypatch.setattr(unsubscribe, "UNDO_WITHIN", unsubscribe.UNDO_WITHIN - age)
    await visitor.post(action="resubscribe", undo=code or "")
    assert visitor.state() is (ConsentKind.GRANTED if age < timedelta(hours=1) else ConsentKind.WITHDRAWN)


async def test_what_an_operator_withdrew_before_or_after_the_page_is_not_undone(visitor: Visitor) -> None:
    assert visitor.withdraw("asked by phone")
    before = await visitor.post(action="withdraw")
    assert undo_code_on(before) is None
    visitor.admit()
    code = undo_code_on(await visitor.post(action="withdraw"))
    assert visitor.withdraw("asked by phone")
    assert not visitor.withdraw("asked by phone again")
    await visitor.post(action="resubscribe", undo=code or "")
    assert visitor.state() is ConsentKind.WITHDRAWN


async def test_what_one_click_withdrew_after_the_page_is_not_undone(visitor: Visitor) -> None:
    code = undo_code_on(await visitor.post(action="withdraw"))
    for _ in range(3):
        await visitor.client.post(visitor.path, content=ONE_CLICK)
    with visitor.database.read() as connection:
        kinds = [entry.event.kind for entry in ledger.history(connection, 1)]
    assert kinds == [ConsentKind.GRANTED, ConsentKind.WITHDRAWN, ConsentKind.WITHDRAWN]
    await visitor.post(action="resubscribe", undo=code or "")
    assert visitor.state() is ConsentKind.WITHDRAWN


async def test_an_undo_code_counts_once(visitor: Visitor) -> None:
    code = undo_code_on(await visitor.post(action="withdraw"))
    await visitor.post(action="resubscribe", undo=code or "")
    await visitor.client.post(visitor.path, content=ONE_CLICK)
    await visitor.post(action="resubscribe", undo=code or "")
    assert visitor.state() is ConsentKind.WITHDRAWN


async def test_the_link_of_a_proof_changes_nothing(visitor: Visitor) -> None:
    path = visitor.path_of(0, NO_ADDRESS)
    assert (await visitor.client.get(path)).status_code == 200
    assert (await visitor.client.post(path, content=ONE_CLICK)).status_code == 200
    with visitor.database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM suppression")).scalar_one() == 0
    assert visitor.mailable() == 2


@pytest.mark.parametrize(
    ("channels", "recorded"),
    [
        ([Channel.ONE_CLICK] * 3, [Channel.ONE_CLICK]),
        ([Channel.PAGE] * 3, [Channel.PAGE]),
        ([Channel.ONE_CLICK, Channel.PAGE], [Channel.ONE_CLICK]),
        ([Channel.PAGE, Channel.ONE_CLICK, Channel.ONE_CLICK], [Channel.PAGE, Channel.ONE_CLICK]),
    ],
)
@pytest.mark.parametrize("at_once", [True, False], ids=["in one group", "one by one"])
def test_requests_for_one_person_are_recorded_alike_in_one_group_and_one_by_one(
    database: Database, channels: list[Channel], recorded: list[Channel], at_once: bool
) -> None:
    subscribe(database, 1)
    requests = [Withdrawal(target_of(database, 1), channel) for channel in channels]
    for group in [requests] if at_once else [[request] for request in requests]:
        with database.write() as connection:
            unsubscribe.apply_requests(connection, group, database.clock()())
    with database.read() as connection:
        entries = ledger.history(connection, 1)
    withdrawn = [one.event.channel for one in entries if one.event.kind is ConsentKind.WITHDRAWN]
    assert withdrawn == recorded
