"""Every interface to one database, as one process has them open, and random requests through them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Container, Sequence
from datetime import datetime
from random import Random

import httpx
from sqlalchemy import Connection

from mailer.config import Settings
from mailer.database import Database, in_thread
from mailer.errors import NotFound
from subscribers import rights
from subscribers.address import AddressHasher, EmailAddress, normalise
from subscribers.intake import Applicant, Decision, Evidence, admit
from subscribers.kinds import Channel
from subscribers.pending_requests import RequestKind
from subscribers.people import Names
from tests.interleaving.lists import Lists
from tests.interleaving.mailbox import Mailbox
from tests.interleaving.record import EVERYBODY, TOPICS, VISITORS, Done, Kind, Pair, Told, given_at
from tests.interleaving.sending import Campaigns
from tests.support.api import TEXT, grant
from web import create_app

INTERFACES = {
    "grant_by_api": 8,
    "grant_by_batch": 2,
    "grant_by_command": 3,
    "import_rows": 3,
    "sync": 2,
    "sign_up": 3,
    "turn_on": 3,
    "confirm": 7,
    "one_click": 10,
    "withdraw_on_page": 6,
    "undo": 3,
    "turn_off": 2,
    "withdraw_all": 1,
    "withdraw_by_api": 6,
    "withdraw_by_command": 4,
    "suppress": 1,
    "erase_by_api": 2,
    "erase_by_command": 1,
    "send": 0.5,
    "pass_gate": 4,
    "read_feed": 3,
}
"""The requests, and how often each is made in proportion to the others."""

UNDO = re.compile(r'name="undo" value="([^"]+)"')


NOTHING = Done(Kind.OTHER)
Request = Callable[[], Awaitable[Done]]


class Interfaces:
    """The interfaces of one installation. `rng` chooses who asks for what; `name` is unique among the processes."""

    def __init__(self, name: str, database: Database, settings: Settings, token: str, rng: Random) -> None:
        self.name, self.database, self.settings, self.rng = name, database, settings, rng
        self.hasher = AddressHasher(settings.keys())
        self.told: list[Told] = []
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(settings)), base_url="http://127.0.0.1", timeout=60
        )
        self._token = {"Authorization": f"Bearer {token}"}
        self._clock = database.clock()
        self._mailbox = Mailbox(database, settings, rng)
        self._lists = Lists(database, self.hasher, rng)
        self._campaigns = Campaigns(name, database, settings, rng)
        self._cursor: str | None = None
        self._reading = asyncio.Lock()
        self._to_undo: list[tuple[Pair, str, str]] = []

    def choose(self) -> tuple[str, Request]:
        """The name of a random request, and the request."""
        [name] = self.rng.choices(list(INTERFACES), list(INTERFACES.values()))
        return name, getattr(self, name)

    # -- consents ------------------------------------------------------------------------------------------------

    async def grant_by_api(self) -> Done:
        pair, (kind, moment) = self._pair(), given_at(self.rng)
        answer = await self._post_api("consents", _grant(pair, moment))
        return _answered(kind, [pair], answer, {200}, lambda: answer.json()["state"] == "granted")

    async def grant_by_batch(self) -> Done:
        pairs = [(address, self.rng.choice(TOPICS)) for address in self.rng.sample(EVERYBODY, 4)]
        kind, moment = given_at(self.rng)
        answer = await self._post_api("consents/batch", {"items": [_grant(pair, moment) for pair in pairs]})
        done = _answered(kind, pairs, answer, {200})
        if done.failure:
            return done
        results = answer.json()["results"]
        failed = [result for result in results if result["status"] >= 500]
        granted = [
            pair for pair, result in zip(pairs, results, strict=True) if result.get("state") == "granted"
        ]
        return done._replace(granted=granted, failure=str(failed) if failed else "")

    async def grant_by_command(self) -> Done:
        address, topic = pair = self._pair()

        def grant(connection: Connection, who: EmailAddress) -> bool:
            now = self._clock()
            applicant = Applicant(0, Names(), who, self.hasher.newest(who.key), now)
            evidence = Evidence(topic, "by phone", TEXT, channel=Channel.COMMAND)
            [candidate] = admit(connection, [applicant], evidence, self.hasher, now)
            return candidate.decision is Decision.GRANTED

        return Done(Kind.GRANT, [pair], [pair] if await self._write(grant, address) else ())

    async def sign_up(self) -> Done:
        pair = self.rng.choice(VISITORS), self.rng.choice(TOPICS)
        network = f"10.{self.rng.randrange(256)}.{self.rng.randrange(256)}.1"
        answer = await self._client.post(
            f"/signup/{pair[1]}", data={"email": pair[0]}, headers={"X-Forwarded-For": network}
        )
        await self._mailbox.note_request(RequestKind.SIGN_UP, pair)
        return _answered(Kind.OTHER, [pair], answer, {200})

    async def turn_on(self) -> Done:
        pair = self._pair()
        if (path := await self._mailbox.path(pair)) is None:
            return NOTHING
        answer = await self._client.post(path, data={"action": "turn_on", "topic": pair[1]})
        await self._mailbox.note_request(RequestKind.TOPIC, pair)
        return _answered(Kind.OTHER, [pair], answer, {200})

    async def confirm(self) -> Done:
        if not self._mailbox.to_confirm:
            return NOTHING
        pair, path = self._mailbox.to_confirm.pop(self.rng.randrange(len(self._mailbox.to_confirm)))
        answer = await self._client.post(path, data={"action": "confirm"})
        return _answered(Kind.GRANT, [pair], answer, {200, 410}, lambda: answer.status_code == 200)

    async def undo(self) -> Done:
        if not self._to_undo:
            return NOTHING
        pair, path, code = self._to_undo.pop(self.rng.randrange(len(self._to_undo)))
        answer = await self._client.post(path, data={"action": "resubscribe", "undo": code})
        return _answered(Kind.GRANT, [pair], answer, {200})

    # -- withdrawals ---------------------------------------------------------------------------------------------

    async def one_click(self) -> Done:
        pair = self._pair()
        if (path := await self._mailbox.path(pair)) is None:
            return NOTHING
        answer = await self._client.post(path, content=b"List-Unsubscribe=One-Click")
        return _answered(Kind.TAKE_AWAY, [pair], answer, {200})

    async def withdraw_on_page(self) -> Done:
        pair = self._pair()
        if (path := await self._mailbox.path(pair)) is None:
            return NOTHING
        answer = await self._client.post(path, data={"action": "withdraw"})
        if code := UNDO.search(answer.text):
            self._to_undo.append((pair, path, code[1]))
        return _answered(Kind.TAKE_AWAY, [pair], answer, {200})

    async def turn_off(self) -> Done:
        """By the link of a mail about one topic, leave either."""
        address, topic = self._pair()
        if (path := await self._mailbox.path((address, topic))) is None:
            return NOTHING
        left = self.rng.choice(TOPICS)
        answer = await self._client.post(path, data={"action": "turn_off", "topic": left})
        return _answered(Kind.TAKE_AWAY, [(address, left)], answer, {200})

    async def withdraw_all(self) -> Done:
        pair = self._pair()
        if (path := await self._mailbox.path(pair)) is None:
            return NOTHING
        answer = await self._client.post(path, data={"action": "withdraw_all"})
        return _answered(Kind.TAKE_AWAY, _of_every_topic(pair[0]), answer, {200})

    async def withdraw_by_api(self) -> Done:
        address, topic = self.rng.choice(EVERYBODY), self.rng.choice([*TOPICS, "*"])
        pairs = _of_every_topic(address) if topic == "*" else [(address, topic)]
        answer = await self._post_api("withdrawals", {"email": address, "topic": topic})
        return _answered(Kind.TAKE_AWAY, pairs, answer, {200, 404})

    async def withdraw_by_command(self) -> Done:
        address, topic = pair = self._pair()

        def withdraw(connection: Connection, who: EmailAddress) -> None:
            now = self._clock()
            rights.withdraw(connection, who, topic, hasher=self.hasher, source="by phone", now=now)

        await self._write(withdraw, address)
        return Done(Kind.TAKE_AWAY, [pair])

    async def suppress(self) -> Done:
        address = self.rng.choice(EVERYBODY)

        def suppress(connection: Connection, who: EmailAddress) -> None:
            rights.suppress_all(connection, [who], hasher=self.hasher, source="list", now=self._clock())

        await self._write(suppress, address)
        return Done(Kind.TAKE_AWAY, _of_every_topic(address))

    async def erase_by_api(self) -> Done:
        address = self.rng.choice(EVERYBODY)
        answer = await self._post_api("erasures", {"email": address})
        return _answered(Kind.TAKE_AWAY, _of_every_topic(address), answer, {204, 404})

    async def erase_by_command(self) -> Done:
        address = self.rng.choice(EVERYBODY)

        def erase(connection: Connection, who: EmailAddress) -> None:
            rights.erase(connection, who, hasher=self.hasher, source="by letter", now=self._clock())

        await self._write(erase, address)
        return Done(Kind.TAKE_AWAY, _of_every_topic(address))

    # -- mails and the feed --------------------------------------------------------------------------------------

    async def import_rows(self) -> Done:
        return await self._lists.import_rows()

    async def sync(self) -> Done:
        return await self._lists.sync()

    async def send(self) -> Done:
        await self._campaigns.send()
        return NOTHING

    async def pass_gate(self) -> Done:
        await self._campaigns.pass_gate()
        return NOTHING

    async def read_feed(self) -> Done:
        async with self._reading:
            query = {"after": self._cursor} if self._cursor else {}
            answer = await self._client.get("/api/v1/changes", params=query, headers=self._token)
            done = _answered(Kind.OTHER, (), answer, {200})
            if not done.failure:
                page = answer.json()
                self._cursor = page["next"]
                told = [
                    (each["id"], each["kind"], each["topic"], each["channel"]) for each in page["changes"]
                ]
                self.told += [Told(*each) for each in told]
        return done

    async def close(self) -> None:
        await self._client.aclose()

    # -- how the requests are made -------------------------------------------------------------------------------

    def _pair(self) -> Pair:
        return self.rng.choice(EVERYBODY), self.rng.choice(TOPICS)

    async def _post_api(self, path: str, body: object) -> httpx.Response:
        return await self._client.post(f"/api/v1/{path}", json=body, headers=self._token)

    async def _write(self, work: Callable[[Connection, EmailAddress], object], address: str) -> object:
        """As a command does: one transaction. None where nobody with the address is on file."""

        def write() -> object:
            try:
                with self.database.write() as connection:
                    return work(connection, normalise(address))
            except NotFound:
                return None

        return await in_thread(write)


def _of_every_topic(address: str) -> list[Pair]:
    return [(address, topic) for topic in TOPICS]


def _grant(pair: Pair, moment: datetime) -> dict[str, str]:
    address, topic = pair
    return grant(address, topic=topic, given_at=moment.isoformat())


def _answered(
    kind: Kind,
    pairs: Sequence[Pair],
    answer: httpx.Response,
    expected: Container[int],
    is_granted: Callable[[], bool] = lambda: False,
) -> Done:
    if answer.status_code not in expected:
        return Done(kind, pairs, failure=f"{answer.status_code} {answer.text[:300]}")
    return Done(kind, pairs, pairs if is_granted() else ())
