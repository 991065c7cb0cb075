"""With form_of_address = "informal" one person sees one tone, from the sign-up to the erasure, over real HTTP and a real relay."""

from __future__ import annotations

import quopri
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from urllib.parse import urlsplit

import httpx
import pytest
from bs4 import BeautifulSoup

from mailer.config import Settings
from mailer.database import Database
from tests.support.campaign import TOPIC, settings_for, subscribe
from tests.support.links import address_of, links_in
from tests.support.relay import FaultyRelay
from tests.support.tone import FORMAL, INFORMAL
from tests.support.web_server import serving
from web import create_app

PERSON = 1
SPARE = "meer"


@dataclass
class Visitor:
    """A person who keeps what the served application shows them, in Dutch."""

    settings: Settings
    client: httpx.AsyncClient
    relay: FaultyRelay
    seen: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str) -> httpx.Response:
        return self._keep(await self.client.get(path))

    async def post(self, path: str, **form: str) -> httpx.Response:
        return self._keep(await self.client.post(path, data=form))

    async def newest_mail(self, mails: int) -> str:
        """The path of the link in the newest mail, once this many have arrived; empty where it has none."""
        await self.relay.taken(mails)
        content = self.relay.accepted[-1].content
        message = message_from_bytes(content, policy=policy.default)
        text = message.get_body(("plain",)).get_content()
        self.seen[f"mail {mails}"] = f"{message['Subject']}\n{text}"
        found = re.search(rb"https://example\.com(/(?:me|confirm)/[\w.=-]+)", quopri.decodestring(content))
        return found[1].decode() if found else ""

    def _keep(self, answer: httpx.Response) -> httpx.Response:
        document = BeautifulSoup(answer.text, "html.parser")
        self.seen[f"{len(self.seen)} {document.h1.get_text(strip=True)}"] = document.get_text(" ")
        return answer


@pytest.fixture
async def visitor(sqlite_database: Database) -> AsyncIterator[Visitor]:
    subscribe(sqlite_database, 2)
    async with FaultyRelay() as relay:
        settings = settings_for(
            relay.port,
            database_url=sqlite_database.url.render_as_string(hide_password=False),
            brand={"name": "Acme"},
            locale="nl",
            form_of_address="informal",
            sign_up={"topics": (TOPIC,)},
            topics={TOPIC: {"nl": "Nieuwe versies"}, SPARE: {"nl": "Meer"}},
        )
        async with serving(create_app(settings)) as address, httpx.AsyncClient(base_url=address) as client:
            client.timeout = 60
            yield Visitor(settings, client, relay)


def form_in(answer: httpx.Response, section: str) -> str:
    found = BeautifulSoup(answer.text, "html.parser").find("section", {"aria-labelledby": section})
    return str(found.find("input", {"name": "form"})["value"])


async def test_a_person_sees_one_tone_in_whatever_state(visitor: Visitor, sqlite_database: Database) -> None:
    links = links_in(sqlite_database, visitor.settings.keys())
    url = links.url(PERSON, address_of(sqlite_database, PERSON), TOPIC, "nl")
    leave = urlsplit(url).path
    for path in (leave, leave[:-3], "/privacy", "/privacy/nl", f"/signup/{TOPIC}"):
        await visitor.get(path)
    await visitor.post(f"/signup/{TOPIC}", email="x")
    await visitor.post(f"/signup/{TOPIC}", email="ann@example.org", first_name="Ann")
    confirm = await visitor.newest_mail(1)
    await visitor.get(confirm)
    await visitor.post(confirm, action="confirm")
    await visitor.post(confirm, action="confirm")
    await visitor.post(leave)
    await visitor.post(leave, action="withdraw")
    await visitor.get(leave)
    await visitor.post(leave, action="turn_on", topic=SPARE)
    await visitor.newest_mail(2)
    await visitor.post(leave, action="own_data")
    opened = await visitor.newest_mail(3)
    await visitor.get(opened)
    own = await visitor.post(opened, action="open")
    await visitor.post(opened, action="names", form=form_in(own, "names"), first_name="Zoë")
    await visitor.post(opened, action="address", form=form_in(own, "new-address"), email="new@example.org")
    await visitor.newest_mail(5)
    await visitor.post(opened, action="object", form=form_in(own, "object"))
    await visitor.post(opened, action="erase", form=form_in(own, "erase"), sure="yes")
    formal = {name: text for name, text in visitor.seen.items() if FORMAL.search(text)}
    assert formal == {}
    assert sum(bool(INFORMAL.search(text)) for text in visitor.seen.values()) > 15
