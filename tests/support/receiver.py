"""A receiver of webhooks. It stores the calls, and answers as a test sets it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.web_server import serving

TO_LOOPBACK = {"allow_private": True, "allow_http": True}  # `[webhooks]`, so that a receiver here is called


@dataclass
class Receiver:
    """`secret` checks the signature of each call; `answer` makes the answer of the nth call. It waits for `released`.

    `peers` are the other ends of the connections.
    """

    url: str = ""
    secret: str = ""
    answer: Callable[[int], Response] = lambda _number: Response(status_code=204)
    calls: list[Any] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    peers: set[Any] = field(default_factory=set)
    released: asyncio.Event | None = None
    now: Callable[[], datetime] | None = None
    arrived: int = 0
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: Request) -> Response:
        body = await request.body()
        self.arrived += 1
        if self.released is not None:
            await self.released.wait()
        self.calls.append(self._verified(body, request.headers))
        self.ids.append(request.headers["webhook-id"])
        self.peers.add(request.client)
        self._arrived.set()
        return self.answer(len(self.calls))

    def _verified(self, body: bytes, headers: Headers) -> Any:
        webhook = Webhook(self.secret)
        if self.now is None:
            return webhook.verify(body, dict(headers))
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        assert abs(at - self.now()) < timedelta(minutes=5)
        signature = webhook.sign(headers["webhook-id"], at, body.decode())
        assert signature in headers["webhook-signature"].split()
        return json.loads(body)

    @property
    def changes(self) -> list[Any]:
        return [change for call in self.calls for change in call["data"]["changes"]]

    async def wait_for(self, count: int) -> None:
        """Until so many changes have come."""
        async with asyncio.timeout(20):
            while len(self.changes) < count:
                self._arrived.clear()
                await self._arrived.wait()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = Starlette(routes=[Route("/hook", receiver.take, methods=["POST"])])
    async with serving(app) as address:
        receiver.url = f"{address}/hook"
        yield receiver
