"""Make the calls: claim an endpoint, send at most 100 changes, move its cursor.

A claim is a lease, so of all processes one calls an endpoint at a time, and its changes arrive in order. The
cursor moves after the receiver answers 2xx; after a crash in between the same changes are sent again.
Endpoints are called independently, so a slow endpoint does not delay others.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, func, or_, select, update

from mailer.config import KeySource
from mailer.database import Clock, Database, in_thread, installation_id
from mailer.errors import MailerError
from mailer.webhooks import Reach, parse_destination, signed_headers
from mailer.webhooks.post import Answer, post
from subscribers import changes
from subscribers.changes import Changes
from subscribers.ledger import EVENT
from subscribers.public_ids import PublicIds
from subscribers.webhooks.backoff import after_failure
from subscribers.webhooks.endpoints import ENDPOINT, Endpoint, find, secrets_of

MOST_CHANGES = 100
LEASE = timedelta(seconds=30)
LOOK_SECONDS = 0.25

log = logging.getLogger(__name__)


class Result(StrEnum):
    """The result of a call. A parked endpoint is not called until an operator resumes it."""

    ACCEPTED = "accepted"
    FAILED = "failed"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class _Claimed:
    """An endpoint that this process calls, its pending changes, and the lease."""

    endpoint: Endpoint
    pending: Changes
    lease: str


@dataclass(slots=True)
class WebhookDelivery:
    """Calls the endpoints of one installation. `on_call` gets the result of each call."""

    database: Database
    keys: KeySource
    reach: Reach
    on_call: Callable[[Result], None] = lambda _result: None
    _calling: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _public_ids: PublicIds | None = None
    _clock: Clock | None = None

    async def run(self) -> None:
        """Call due endpoints until cancelled. A call in flight is then abandoned, and repeated by the next
        process.
        """
        try:
            while True:
                try:
                    await self._start_due()
                except MailerError as error:
                    log.warning("Webhooks wait: %s", error)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            calling = list(self._calling.values())
            for task in calling:
                task.cancel()
            await asyncio.gather(*calling, return_exceptions=True)

    async def finish(self, running: asyncio.Task[None]) -> None:
        """End the task of `run`."""
        running.cancel()
        await asyncio.wait([running])

    async def run_once(self) -> None:
        """Call all due endpoints with all their changes, and return; for cron."""
        await self._start_due()
        await asyncio.gather(*self._calling.values())

    def _now(self) -> datetime:
        if self._clock is None:
            self._clock = self.database.clock()
        return self._clock()

    async def _start_due(self) -> None:
        self._calling = {name: task for name, task in self._calling.items() if not task.done()}
        for endpoint_id in await in_thread(self._due):
            if endpoint_id not in self._calling:
                self._calling[endpoint_id] = asyncio.create_task(self._tell_all(endpoint_id))

    def _due(self) -> list[str]:
        with self.database.read() as connection:
            newest = select(func.coalesce(func.max(EVENT.c.id), 0)).scalar_subquery()
            due = _is_due(self._now())
            return list(
                connection.execute(select(ENDPOINT.c.id).where(*due, ENDPOINT.c.cursor < newest)).scalars()
            )

    async def _tell_all(self, endpoint_id: str) -> None:
        try:
            while await self._tell(endpoint_id):
                pass
        except MailerError as error:
            log.warning("Webhook %s waits: %s", endpoint_id, error)

    async def _tell(self, endpoint_id: str) -> bool:
        """Make one call; returns whether there are more changes."""
        claimed = await in_thread(self._claim, endpoint_id)
        if claimed is None:
            return False
        answer = await self._call(claimed)
        self.on_call(await in_thread(self._settle, claimed, answer))
        return answer.is_accepted and claimed.pending.more

    def _claim(self, endpoint_id: str) -> _Claimed | None:
        lease, now = secrets.token_hex(16), self._now()
        with self.database.write() as connection:
            taken = (
                update(ENDPOINT)
                .where(ENDPOINT.c.id == endpoint_id, *_is_due(now))
                .values(lease=lease, lease_until=now + LEASE)
            )
            if not connection.execute(taken).rowcount:
                return None
            endpoint = find(connection, endpoint_id)
            if self._public_ids is None:
                self._public_ids = PublicIds(installation_id(connection))
            pending = self._read_changes(connection, endpoint)
            if not pending.changes:
                # The entries contain no change of a consent.
                _release(connection, lease, {"cursor": pending.next})
                return None
        return _Claimed(endpoint, pending, lease)

    @staticmethod
    def _read_changes(connection: Connection, endpoint: Endpoint) -> Changes:
        newest = changes.newest_number(connection)
        # After a restored backup the cursor may lie beyond the end; the feed goes on from there.
        return changes.read(connection, min(endpoint.cursor, newest), MOST_CHANGES)

    async def _call(self, claimed: _Claimed) -> Answer:
        endpoint, now = claimed.endpoint, self._now()
        assert self._public_ids is not None  # noqa: S101 - set by the claim
        values = [changes.values_of(each, self._public_ids) for each in claimed.pending.changes]
        first, last = claimed.pending.changes[0].number, claimed.pending.changes[-1].number
        # The same changes have the same id, so that a receiver recognises a call that comes again.
        name = sha256(f"{endpoint.id}.{first}.{last}".encode()).hexdigest()[:32]
        return await call(
            endpoint,
            f"msg_{name}",
            {"type": "consent.changes", "timestamp": now.isoformat(), "data": {"changes": values}},
            keys=self.keys,
            reach=self.reach,
            now=now,
        )

    def _settle(self, claimed: _Claimed, answer: Answer) -> Result:
        endpoint, now = claimed.endpoint, self._now()
        values: dict[str, Any] = {"last_answer": answer.detail[:200]}
        result = Result.ACCEPTED if answer.is_accepted else Result.FAILED
        if answer.is_accepted:
            values |= {
                "cursor": claimed.pending.next,
                "failures": 0,
                "failing_since": None,
                "next_attempt_at": now,
            }
        else:
            failed = after_failure(endpoint.failures, endpoint.failing_since, now, gone=answer.is_gone)
            values |= {
                "failures": failed.failures,
                "failing_since": failed.failing_since,
                "next_attempt_at": failed.next_attempt_at,
                "parked_at": now if failed.is_parked else None,
            }
            if failed.is_parked:
                result = Result.PARKED
                log.warning(
                    "Webhook %s is parked: %s. Nothing is lost; `mailer webhooks resume %s` goes on.",
                    endpoint.id,
                    answer.detail,
                    endpoint.id,
                )
        with self.database.write() as connection:
            _release(connection, claimed.lease, values)
        return result


async def call(
    endpoint: Endpoint,
    message_id: str,
    values: dict[str, Any],
    *,
    keys: KeySource,
    reach: Reach,
    now: datetime,
) -> Answer:
    """Make one signed call. It fails if the settings do not allow the endpoint, or if its key is missing."""
    try:
        destination = parse_destination(endpoint.url, reach)
        signing = secrets_of(endpoint, keys.current(), now)
    except MailerError as error:
        return Answer(None, error.message)
    body = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    headers = signed_headers(signing, message_id, now, body)
    return await post(destination, body.encode(), headers, reach)


def _is_due(now: datetime) -> tuple[Any, ...]:
    return (
        ENDPOINT.c.parked_at.is_(None),
        ENDPOINT.c.next_attempt_at <= now,
        or_(ENDPOINT.c.lease_until.is_(None), ENDPOINT.c.lease_until <= now),
    )


def _release(connection: Connection, lease: str, values: dict[str, Any]) -> None:
    """End a claim. If another process has the claim, or a replay has ended it, nothing changes."""
    ended = update(ENDPOINT).where(ENDPOINT.c.lease == lease)
    connection.execute(ended.values(lease=None, lease_until=None, **values))
