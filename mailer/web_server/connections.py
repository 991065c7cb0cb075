"""Limits on connections: in total, for each address, and in the size and time of requests.

uvicorn has no such limits with httptools: a peer could send endless headers, or keep thousands of connections
open and send nothing. Connections without a whole request are closed first. A connection whose request is
being answered is never closed. Peers in `trusted_proxies` forward the requests of many people: their requests
are counted by the address in X-Forwarded-For.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, MutableMapping, Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mailer.config import ServeSettings
from mailer.config.trusted_proxies import Network, forwarded_addresses, is_trusted_proxy

QUIET_SECONDS = 60.0  # after which it is logged again

log = logging.getLogger("mailer.web")


class ConnectionLimits:
    """Counts the connections of a server, and closes some when there are too many. All connections share one.

    `most` is the maximum in total, where it is lower than the one of the settings.
    """

    def __init__(
        self, trusted: Sequence[Network], settings: ServeSettings | None = None, most: int | None = None
    ) -> None:
        self.settings = settings or ServeSettings()
        self._trusted = trusted
        self._most = min(self.settings.max_connections, most or self.settings.max_connections)
        self._connections: dict[BoundedProtocol, None] = {}  # the oldest first
        self._addresses: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()
        self._last_refusal = float("-inf")

    def enter(self, connection: BoundedProtocol) -> bool:
        """Count a new connection. False where there are too many and none of them can be closed."""
        address = connection.address
        if self._addresses[address] >= self.settings.max_per_address and not self.trusts(address):
            has_room = self._evict({address})
        elif len(self._connections) >= self._most:
            has_room = self._evict({name for name, _ in self._addresses.most_common(1)}) or self._evict(None)
        else:
            has_room = True
        if has_room:
            self._connections[connection] = None
            self._addresses[address] += 1
        return has_room

    def leave(self, connection: BoundedProtocol) -> None:
        """Count a connection no longer."""
        if self._connections.pop(connection, True) is None:
            _release(self._addresses, connection.address)

    def begin(self, address: str) -> bool:
        """Count a request that a proxy forwarded from `address`. False where the address has too many at once."""
        if self._requests[address] >= self.settings.max_per_address:
            self._warn_once()
            return False
        self._requests[address] += 1
        return True

    def finish(self, address: str) -> None:
        """Count such a request no longer."""
        _release(self._requests, address)

    def trusts(self, address: str) -> bool:
        """Whether the peer is a trusted proxy. A Unix socket always is."""
        return is_trusted_proxy(address, self._trusted)

    def _evict(self, addresses: Collection[str] | None) -> bool:
        """Close the oldest connection without a whole request, of these addresses or of all."""
        self._warn_once()
        waiting = (
            one
            for one in self._connections
            if (addresses is None or one.address in addresses) and one.is_waiting()
        )
        if (oldest := next(waiting, None)) is None:
            return False
        self.leave(oldest)
        oldest.transport.abort()
        return True

    def _warn_once(self) -> None:
        now = time.monotonic()
        if now - self._last_refusal > QUIET_SECONDS:
            log.warning("There are too many connections. Connections that send no request are closed.")
        self._last_refusal = now


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with limits on the size and time of headers, and on the time of bodies."""

    def __init__(self, limits: ConnectionLimits, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limits = limits
        self._unread = 0  # bytes that were neither a body nor the end of a request's headers
        self._deadline: asyncio.TimerHandle | None = None
        self._in_headers = True
        self._forwarded = ""
        self.address = ""

    def is_waiting(self) -> bool:
        """Whether the connection has no whole request."""
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn, unless there are too many connections."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        if self._limits.enter(self):
            self._expect(self._limits.settings.header_seconds)
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn; the connection and its request count no longer."""
        self._limits.leave(self)
        self._finish()
        self._expect(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As uvicorn; closes the connection after too many bytes outside a body."""
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._expect(self._limits.settings.header_seconds)
        self._unread += len(data)
        super().data_received(data)
        if self._unread > self._limits.settings.header_bytes and not self.transport.is_closing():
            self.transport.abort()

    def on_message_begin(self) -> None:
        """As uvicorn; the headers must come in time."""
        self._in_headers = True
        self._expect(self._limits.settings.header_seconds)
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """As uvicorn, without trailers, which nothing reads."""
        if self._in_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """As uvicorn, unless the headers are too large or the address behind the proxy has too many requests."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        self._in_headers, self._unread = False, 0
        self._expect(self._limits.settings.body_seconds)
        application = self.app
        self._finish()
        forwarded = self._address_behind_proxy()
        if size > self._limits.settings.header_bytes:
            self.app = _headers_too_large
        elif forwarded and not self._limits.begin(forwarded):
            self.app = _too_many_requests
        else:
            self._forwarded = forwarded
        super().on_headers_complete()
        self.app = application

    def on_body(self, body: bytes) -> None:
        """As uvicorn; these bytes are of a body, so they do not count as headers."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """As uvicorn; nothing more is awaited."""
        self._unread = 0
        self._expect(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn; the request counts no longer."""
        self._finish()
        super().on_response_complete()

    def _address_behind_proxy(self) -> str:
        if not self._limits.trusts(self.address):
            return ""
        named = [value.decode("latin-1") for name, value in self.headers if name == b"x-forwarded-for"]
        return next((one for one in reversed(forwarded_addresses(named)) if not self._limits.trusts(one)), "")

    def _finish(self) -> None:
        if self._forwarded:
            self._limits.finish(self._forwarded)
            self._forwarded = ""

    def _expect(self, seconds: float | None) -> None:
        """Close the connection after some seconds, unless it is called again before. None means no limit."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        self._deadline = None
        self.transport.abort()


def _release(counts: Counter[str], address: str) -> None:
    counts[address] -= 1
    if counts[address] <= 0:
        del counts[address]


Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


async def _headers_too_large(_scope: Message, _receive: object, send: Send) -> None:
    await _refuse(send, 431)


async def _too_many_requests(_scope: Message, _receive: object, send: Send) -> None:
    await _refuse(send, 429)


async def _refuse(send: Send, status: int) -> None:
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
