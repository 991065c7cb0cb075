"""Sign-up with confirmed opt-in, over real HTTP and a real relay: nothing tells who is known."""

from __future__ import annotations

import quopri
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from bs4 import BeautifulSoup
from click.testing import CliRunner
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select, update

from cli import mailer as command
from mailer.database import Database
from subscribers import ledger, pending_requests, people, suppression
from subscribers.address import AddressHasher, normalise
from subscribers.confirmation import ConfirmationResult, confirm
from subscribers.intake.signup import PER_NETWORK, network_of
from subscribers.kinds import Channel, ConsentKind, SuppressionReason
from subscribers.pending_requests import (
    ATTEMPT_COUNT,
    PENDING_REQUEST,
    LinkTarget,
    RequestedPerson,
    RequestKind,
    attempts,
)
from subscribers.people import Names
from subscribers.service_mails import SERVICE_MAIL
from tests.support.campaign import SECRET, TOPIC, settings_for, subscribe, write_config
from tests.support.relay import FaultyRelay
from tests.support.web_server import serving
from web import create_app

ANN = {"email": "Ann@Example.org", "first_name": "Ann", "surname": "de Wit"}
HASHER = AddressHasher([SECRET.encode()])
PATH = f"/signup/{TOPIC}"


@dataclass
class Site:
    """The served application with a relay."""

    database: Database
    client: httpx.AsyncClient
    relay: FaultyRelay

    async def post(self, form: dict[str, str] | None = None, address: str = "192.0.2.1") -> httpx.Response:
        headers = {"X-Forwarded-For": address}
        return await self.client.post(PATH, data=form or ANN, headers=headers)

    def count(self, counted: object) -> int:
        with self.database.read() as connection:
            return connection.execute(select(func.count()).select_from(counted)).scalar_one()  # type: ignore[arg-type]


@asynccontextmanager
async def served(database: Database, **more: object) -> AsyncIterator[Site]:
    async with FaultyRelay() as relay:
        url = database.url.render_as_string(hide_password=False)
        values = {"sign_up": {"topics": (TOPIC,)}, "topics": {TOPIC: {"en": "New versions"}}} | more
        settings = settings_for(relay.port, database_url=url, brand={"name": "Acme"}, **values)
        async with serving(create_app(settings)) as address, httpx.AsyncClient(base_url=address) as client:
            client.timeout = 60
            yield Site(database, client, relay)


@pytest.fixture
async def site(sqlite_database: Database) -> AsyncIterator[Site]:
    async with served(sqlite_database) as found:
        yield found


async def test_a_sign_up_counts_once_the_owner_of_the_address_confirms_it(site: Site) -> None:
    page = await site.client.get(PATH)
    wording = BeautifulSoup(page.text, "html.parser").find(id="sign-up-wording").get_text()
    answer = await site.post()
    assert "Check your mailbox" in answer.text
    await site.relay.taken(1)
    mail = site.relay.accepted[0]
    assert mail.recipient == "Ann@example.org"
    with site.database.read() as connection:
        assert people.find(connection, normalise("ann@example.org")) is None
    found = re.search(rb"https://example\.com(/confirm/[^\s]+)", quopri.decodestring(mail.content))
    path = found[1].decode()
    for after in ("", "", ".", "%3E", "/"):
        assert wording in (await site.client.get(path + after)).text
    assert "You are on the list" in (await site.client.post(path, data={"action": "confirm"})).text
    with site.database.read() as connection:
        person = people.find(connection, normalise("ann@example.org"))
        assert person.names == Names("", "Ann", "de Wit")
        proof = ledger.prove(connection, person.id, TOPIC)
        assert (proof.grant.event.channel, proof.wording.text) == (Channel.SIGN_UP, wording)
    assert (await site.client.post(path, data={"action": "confirm"})).status_code == 410


async def test_known_unknown_and_suppressed_addresses_get_the_same_answer_by_the_same_statements(
    site: Site,
) -> None:
    subscribe(site.database, 1)
    now = datetime.now(UTC)
    with site.database.write() as connection:
        for number, reason in enumerate(SuppressionReason):
            hashed = HASHER.newest(f"person{number + 10}@example.com")
            suppression.add(connection, hashed, reason, now, now, channel=Channel.COMMAND)
    await site.post({"email": "person99@example.com"})  # stores the wording
    answers, statements = set(), set()
    executed: list[str] = []
    # The server has an engine of its own on the same file; its statements go through this class.
    from sqlalchemy.engine import Engine  # noqa: PLC0415

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "INSERT" in statement or "UPDATE attempt_count" in statement:  # the rest is of the mails' delivery
            executed.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        for number in (1, 2, *range(10, 10 + len(SuppressionReason))):
            executed.clear()
            answer = await site.post({"email": f"person{number}@example.com"}, f"192.0.{number}.1")
            answers.add((answer.status_code, answer.text, tuple(sorted(set(answer.headers) - {"date"}))))
            statements.add(tuple(executed))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(answers) == 1
    assert len(statements) == 1


async def test_a_program_that_fills_in_every_field_gets_the_answer_and_nothing_else(site: Site) -> None:
    for _ in range(4):  # more than an address may ask for
        automatic = await site.post(ANN | {"website": "https://spam.example"})
    assert automatic.text == (await site.post()).text
    assert site.count(PENDING_REQUEST) == 1


async def test_an_address_gets_three_mails_a_day(site: Site) -> None:
    answers = {(await site.post(address=f"192.0.{number}.1")).text for number in range(5)}
    assert len(answers) == 1
    assert site.count(PENDING_REQUEST) == 3


async def test_a_network_has_thirty_sign_ups_an_hour(site: Site) -> None:
    for number in range(PER_NETWORK.most + 2):
        await site.post({"email": f"a{number}@example.org"}, f"192.0.2.{number + 1}")
    assert site.count(PENDING_REQUEST) == PER_NETWORK.most
    counted = site.count(ATTEMPT_COUNT)
    await site.post({"email": "never-counted@example.org"}, "192.0.2.1")
    assert site.count(ATTEMPT_COUNT) == counted
    await site.post({"email": "other@example.org"}, "198.51.100.1")
    assert site.count(PENDING_REQUEST) == PER_NETWORK.most + 1


async def test_all_networks_together_have_so_many_sign_ups_an_hour(sqlite_database: Database) -> None:
    async with served(sqlite_database, sign_up={"topics": (TOPIC,), "most_an_hour": 2}) as site:
        for number in range(4):
            await site.post({"email": f"a{number}@example.org"}, f"192.0.{number}.1")
        assert site.count(PENDING_REQUEST) == 2


async def test_the_counts_name_nobody_and_are_purged_with_the_requests(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.post()
    with site.database.read() as connection:
        rows = str(connection.execute(select(ATTEMPT_COUNT)).all())
    assert "ann" not in rows.lower()
    assert "192.0" not in rows
    monkeypatch.setattr(attempts, "PORTION", 2)
    for left in (1, 0):
        with site.database.write() as connection:
            pending_requests.purge(connection, datetime.now(UTC) + timedelta(days=6, hours=23))
        assert site.count(ATTEMPT_COUNT) == left
    assert (site.count(ATTEMPT_COUNT), site.count(PENDING_REQUEST)) == (0, 1)
    with site.database.write() as connection:
        pending_requests.purge(connection, datetime.now(UTC) + timedelta(days=7))
    assert (site.count(PENDING_REQUEST), site.count(SERVICE_MAIL)) == (0, 0)


async def test_who_objected_and_signs_up_gets_no_mail(site: Site) -> None:
    now = datetime.now(UTC)
    with site.database.write() as connection:
        hashed = HASHER.newest("ann@example.org")
        suppression.add(connection, hashed, SuppressionReason.OBJECTED, now, now, channel=Channel.PAGE)
    await site.post()
    await site.post({"email": "bob@example.org"})
    await site.relay.taken(1)
    assert [mail.recipient for mail in site.relay.accepted] == ["bob@example.org"]


async def test_a_confirmed_sign_up_brings_back_who_had_left(site: Site) -> None:
    now = datetime.now(UTC)
    with site.database.write() as connection:
        hashed = HASHER.newest("ann@example.org")
        suppression.add(connection, hashed, SuppressionReason.ERASED, now, now, channel=Channel.PAGE)
    await site.post()
    await site.relay.taken(1)
    content = quopri.decodestring(site.relay.accepted[0].content)
    path = re.search(rb"https://example\.com(/confirm/[^\s]+)", content)[1].decode()
    await site.client.post(path, data={"action": "confirm"})
    with site.database.read() as connection:
        person = people.find(connection, normalise("ann@example.org"))
        assert ledger.statuses(connection, [person.id])[person.id, TOPIC].state is ConsentKind.GRANTED
        assert suppression.find(connection, HASHER, ["ann@example.org"]) == {}


async def test_an_objection_after_the_request_ends_it(site: Site) -> None:
    await site.post()
    await site.relay.taken(1)
    content = quopri.decodestring(site.relay.accepted[0].content)
    path = re.search(rb"https://example\.com(/confirm/[^\s]+)", content)[1].decode()
    now = datetime.now(UTC)
    with site.database.write() as connection:
        hashed = HASHER.newest("ann@example.org")
        suppression.add(connection, hashed, SuppressionReason.OBJECTED, now, now, channel=Channel.PAGE)
    assert (await site.client.post(path, data={"action": "confirm"})).status_code == 410
    with site.database.read() as connection:
        assert people.find(connection, normalise("ann@example.org")) is None


async def test_an_expired_link_adds_nobody(site: Site) -> None:
    await site.post()
    await site.relay.taken(1)
    content = quopri.decodestring(site.relay.accepted[0].content)
    path = re.search(rb"https://example\.com(/confirm/[^\s]+)", content)[1].decode()
    with site.database.write() as connection:
        connection.execute(update(PENDING_REQUEST).values(expires_at=datetime.now(UTC)))
    assert (await site.client.post(path, data={"action": "confirm"})).status_code == 410
    with site.database.read() as connection:
        assert people.find(connection, normalise("ann@example.org")) is None


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"email": "nobody"}, "not an email address"),
        ({"email": ""}, "not an email address"),
        (ANN | {"surname": "x" * 201}, "at most 200 characters"),
        (ANN | {"first_name": "a\u202eb"}, "at most 200 characters"),
    ],
)
async def test_what_can_t_be_used_is_said_and_stored_nowhere(
    site: Site, form: dict[str, str], message: str
) -> None:
    answer = await site.post(form)
    assert answer.status_code == 422
    assert message in answer.text
    assert site.count(PENDING_REQUEST) == 0


async def test_the_language_is_the_browser_s_or_the_form_s(site: Site) -> None:
    dutch = await site.client.get(PATH, headers={"Accept-Language": "nl-NL,nl;q=0.9"})
    assert BeautifulSoup(dutch.text, "html.parser").html["lang"] == "nl"
    assert "Kijk in uw mailbox" in (await site.post(ANN | {"language": "nl"})).text


async def test_it_is_off_unless_it_is_turned_on(sqlite_database: Database) -> None:
    async with served(sqlite_database, sign_up={}) as site:
        assert (await site.client.get(PATH)).status_code == 404
        assert (await site.post()).status_code == 404
        assert site.count(PENDING_REQUEST) == 0


async def test_every_answer_keeps_to_itself(site: Site) -> None:
    for answer in (await site.client.get(PATH), await site.post()):
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "Set-Cookie" not in answer.headers


async def test_the_embedded_form_does_what_the_page_s_does(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    write_config(tmp_path, 25)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAILER_SIGN_UP__TOPICS", TOPIC)
    printed = CliRunner().invoke(command, ["consent", "form", "--language", "nl"])
    assert printed.exit_code == 0
    form = BeautifulSoup(printed.stdout, "html.parser").form
    assert form["action"] == f"https://example.com{PATH}"
    assert form.find_all(["script", "style", "link"]) == []
    fields = {str(field["name"]): str(field.get("value", "")) for field in form.find_all("input")}
    assert fields["website"] == ""
    assert "Kijk in uw mailbox" in (await site.post(fields | ANN)).text


@given(
    st.sampled_from(["127.0.0.1", "::1", "", "203.0.113.9"]),
    st.lists(st.ip_addresses().map(str) | st.text(max_size=20), max_size=4),
)
@hypothesis_settings(max_examples=50)
def test_a_network_never_names_a_single_visitor(peer: str, forwarded: list[str]) -> None:
    found = network_of(peer, forwarded, ["127.0.0.1", "::1"])
    assert found == "unknown" or found.endswith(("/24", "/48"))
    if peer == "203.0.113.9":  # not our proxy: it may write what it likes
        assert found == "203.0.113.0/24"


async def test_a_sign_up_renames_nobody_on_file_and_shows_the_names_of_somebody_new(site: Site) -> None:
    subscribe(site.database, 1)
    for form in (ANN | {"email": "person1@example.com"}, ANN):
        await site.post(form)
        await site.relay.taken(1 if "person1" in form["email"] else 2)
        content = quopri.decodestring(site.relay.accepted[-1].content)
        path = re.search(rb"https://example\.com(/confirm/[^\s]+)", content)[1].decode()
        assert ("Ann de Wit" in (await site.client.get(path)).text) == (form is ANN)
        assert "You are on the list" in (await site.client.post(path, data={"action": "confirm"})).text
    with site.database.read() as connection:
        assert people.find(connection, normalise("person1@example.com")).names.surname == "de Vries 1"
        assert people.find(connection, normalise("ann@example.org")).names == Names("", "Ann", "de Wit")


def test_a_confirmation_takes_the_ledger_s_lock_first_as_an_erasure_does(
    postgresql_database: Database,
) -> None:
    executed: list[str] = []
    target = LinkTarget(1, datetime.now(UTC), RequestKind.SIGN_UP, "en")
    with postgresql_database.write() as connection:
        event.listen(connection, "before_cursor_execute", lambda *found: executed.append(found[2]))
        assert confirm(connection, target, HASHER, datetime.now(UTC)).result is ConfirmationResult.OVER
    assert executed[0].startswith("LOCK TABLE")


def test_a_confirmation_that_undoes_no_withdrawal_is_not_reported_as_done(sqlite_database: Database) -> None:
    now = datetime.now(UTC)
    left_at = now + timedelta(minutes=1)  # by the clock of another machine
    person = RequestedPerson(Names(), "ann@example.org")
    with sqlite_database.write() as connection:
        hashed = HASHER.newest(person.email)
        suppression.add(connection, hashed, SuppressionReason.ERASED, left_at, left_at, channel=Channel.PAGE)
        request = pending_requests.add(connection, RequestKind.SIGN_UP, "en", now, topic=TOPIC, stated=person)
        target = LinkTarget(request, now, RequestKind.SIGN_UP, "en")
        assert confirm(connection, target, HASHER, now).result is ConfirmationResult.OVER
        assert people.find(connection, normalise(person.email)) is None


@pytest.mark.parametrize(
    ("forwarded", "network"),
    [
        (["192.0.2.77"], "192.0.2.0/24"),
        (["10.9.9.9, 192.0.2.77"], "192.0.2.0/24"),
        (["10.9.9.9", "192.0.2.77, 127.0.0.1"], "192.0.2.0/24"),
        (["2001:db8:1:2:3::4"], "2001:db8:1::/48"),
        (["::ffff:192.0.2.77"], "192.0.2.0/24"),
        (["192.0.2.77:49152"], "192.0.2.0/24"),
        (["10.9.9.9:1, [2001:db8:1:2:3::4]:49152"], "2001:db8:1::/48"),
        (["192.0.2.77:49152, 127.0.0.1:80"], "192.0.2.0/24"),
        (["[]:1"], "unknown"),
        (["nonsense"], "unknown"),
        ([], "127.0.0.0/24"),
    ],
)
def test_the_network_is_that_of_the_visitor_behind_the_proxy(forwarded: list[str], network: str) -> None:
    assert network_of("127.0.0.1", forwarded, ["127.0.0.1"]) == network
    on_dual_stack = "::ffff:127.0.0.1"  # how a socket for IPv4 and IPv6 names the same proxy
    assert network_of(on_dual_stack, forwarded, ["127.0.0.1"]) == network
