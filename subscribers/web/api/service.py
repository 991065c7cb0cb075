"""The service behind the routes: the database, group commits, ids and the clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property, partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from mailer.access import KnownTokens, Token
from mailer.access.store import note_use
from mailer.config import KeySource
from mailer.database import Clock, Database, GroupCommit, ThreadWork, installation_id
from mailer.errors import InvalidInput, MailerError, Refused
from subscribers import account, changes, rights
from subscribers.account import (
    IdempotencyKeys,
    Outcome,
    RequestFingerprint,
    SubmittedRequest,
    problem,
    wordings,
)
from subscribers.account.requests import Who
from subscribers.address import AddressHasher
from subscribers.public_ids import PublicIds
from subscribers.web.api.problems import Trouble

Result = TypeVar("Result")

# The items of a batch in one transaction. More would make other requests wait.
ITEMS_AT_ONCE = 100
ANSWER_SECONDS = 20

log = logging.getLogger(__name__)


class Service:
    """Answers for the routes. Writes go through group commits: one for single requests, one for items of
    batches.
    """

    def __init__(self, database: Database, keys: KeySource, zone: ZoneInfo) -> None:
        self._database = database
        self._keys = keys
        self.zone = zone
        self._marks = IdempotencyKeys(keys)
        self._commits: GroupCommit[SubmittedRequest, Outcome] = GroupCommit(database, self._apply)
        self._items: GroupCommit[SubmittedRequest, Outcome] = GroupCommit(
            database, self._apply, max_batch=ITEMS_AT_ONCE
        )
        self._work = ThreadWork()
        self._refreshing = asyncio.Lock()  # the first request reads the tokens; the others wait for that
        self._noting: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Finish what was submitted."""
        await asyncio.gather(*self._noting)
        await self._work.close()
        await self._commits.close()
        await self._items.close()

    @cached_property
    def clock(self) -> Clock:
        """The clock that all hosts share."""
        return self._database.clock()

    @cached_property
    def _tokens(self) -> KnownTokens:
        return KnownTokens(self._database, self.clock)

    async def find_token(self, secret: str) -> Token | None:
        """The valid token with this secret; None where there is none. Raises MailerError or TimeoutError."""
        if self._is_to_refresh:
            async with asyncio.timeout(ANSWER_SECONDS), self._refreshing:
                if self._is_to_refresh:
                    await self._work.run(self._refresh)
        return self._tokens.find(secret)

    @property
    def _is_to_refresh(self) -> bool:
        return "_tokens" not in self.__dict__ or self._tokens.is_outdated

    def _refresh(self) -> None:
        """Read the tokens, and first the clock and the ids: what waits for the database must not keep the event loop."""
        _ = self.clock, self.public_ids
        self._tokens.refresh()

    def note_use(self, token: Token) -> None:
        """Record the day on which a token was used, beside the request: it neither delays it nor makes it fail."""
        if self._tokens.is_to_note(token):
            noting = asyncio.create_task(self._note_use(token))
            self._noting.add(noting)
            noting.add_done_callback(self._noting.discard)

    async def _note_use(self, token: Token) -> None:
        try:
            await self._work.run(partial(self._write_use, token))
        except MailerError as error:
            self._tokens.forget_use(token)
            log.warning("The day of a token's use is not recorded: %s", error.message)

    def _write_use(self, token: Token) -> None:
        with self._database.write() as connection:
            note_use(connection, token.id, self.now())

    @cached_property
    def public_ids(self) -> PublicIds:
        """The ids of this installation."""
        with self._database.read() as connection:
            return PublicIds(installation_id(connection))

    def now(self) -> datetime:
        """The time, by the clock that all hosts share."""
        return self.clock()

    def fingerprint(
        self, token_id: str, route: str, key: str, body: bytes, index: int = 0
    ) -> RequestFingerprint:
        """The fingerprint of a request with an Idempotency-Key."""
        return self._marks.fingerprint(token_id, route, key, body, index)

    async def submit(self, submission: SubmittedRequest) -> Outcome:
        """Apply one request, durably. Data that it removes are also erased on disk."""
        async with asyncio.timeout(ANSWER_SECONDS):
            outcome = await self._commits.submit(submission)
        if outcome.former is not None:
            await asyncio.to_thread(rights.erase_on_disk, self._database, outcome.former)
        return outcome

    async def submit_item(self, submission: SubmittedRequest) -> Outcome:
        """Apply one item of a batch, durably."""
        return await self._items.submit(submission)

    async def consents_of(self, who: Who) -> Outcome:
        """The consents of a person."""
        hasher = self._hasher()
        return await self._read(
            lambda connection: account.consents_of(connection, who, hasher, self.public_ids)
        )

    async def changes(self, after: int, limit: int) -> Outcome:
        """A page of changes, in order."""
        try:
            found = await self._read(lambda connection: changes.read(connection, after, limit))
        except Refused as error:
            raise Trouble(409, "unknown-cursor", f"{error.message} {error.hint}") from None
        values = {
            "changes": [changes.values_of(each, self.public_ids) for each in found.changes],
            "next": self.public_ids.of_change(found.next),
            "more": found.more,
        }
        return Outcome(200, values)

    async def wordings(self) -> list[dict[str, str]]:
        """The registered texts."""
        return [each.values for each in await self._read(wordings.list_all)]

    async def register_wording(self, text: str, *, topic: str, language: str, version: str) -> Outcome:
        """Register a text."""

        def write() -> Outcome:
            try:
                with self._database.write() as connection:
                    found = wordings.register(
                        connection, text, self.now(), topic=topic, language=language, version=version
                    )
            except Refused as error:
                return problem(409, "wording-taken", f"{error.message} {error.hint}")
            except InvalidInput as error:
                return problem(422, "invalid-request", error.message, field="text")
            return Outcome(200, found.values)

        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._work.run(write)

    async def _read(self, query: Callable[[Connection], Result]) -> Result:
        async with asyncio.timeout(ANSWER_SECONDS), self._database.session() as session:
            connection = await session.connection()
            return await connection.run_sync(query)

    def _hasher(self) -> AddressHasher:
        return AddressHasher.of(self._keys.current())

    @cached_property
    def _requests(self) -> account.AccountRequests:
        return account.AccountRequests(self._hasher(), self.public_ids)

    def _apply(self, connection: Connection, submissions: Sequence[SubmittedRequest]) -> list[Outcome]:
        requests = self._requests
        requests.hasher = self._hasher()
        return requests.apply(connection, submissions, self.now())
