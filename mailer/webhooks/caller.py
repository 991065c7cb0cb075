"""Call checked addresses, with the host names of their URLs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Self

import httpx

from mailer.webhooks.destination import Destination, Reach, Unreachable, resolve

TOTAL_SECONDS = 10.0
LARGEST_ANSWER = 8 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a call: the HTTP status, or None and the error. `detail` contains no address or URL.

    `location` is where a redirect leads.
    """

    status: int | None
    detail: str
    location: str | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the receiver accepted the call (2xx)."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no more calls (410)."""
        return self.status == 410


class Caller:
    """Calls addresses that `reach` allows. Calls to one host share a connection until the caller is closed.

    Use it in `async with`. Each call looks the host's name up again, and uses a connection to that address only.
    """

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        # One for each host: a client does not tell apart the names (SNI) that lead to the same address.
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients.values():
            await client.aclose()

    async def post(self, destination: Destination, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Make one call, of at most 10 seconds in all. A redirect is not followed; 8 KB of the answer are read."""
        own = {"Content-Type": "application/json", **headers}
        return await self.call("POST", destination, content=body, headers=own)

    async def call(
        self,
        method: str,
        destination: Destination,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call the checked address. The answer's `location` is where a redirect leads."""
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._call(method, destination, content, headers or {})
        except TimeoutError:
            return Answer(None, "no answer within 10 seconds")
        except Unreachable as error:
            return Answer(None, error.message)
        except ssl.SSLError:
            return Answer(None, "the TLS certificate is not valid for the name")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            reason = "the TLS certificate is not valid for the name" if "CERTIFICATE" in str(error) else None
            return Answer(None, reason or f"no answer ({type(error).__name__})")

    async def _call(
        self, method: str, destination: Destination, content: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        address = await resolve(destination, self.reach)
        literal = f"[{address}]" if address.version == 6 else str(address)
        request = httpx.Request(  # not by the client, which would return cookies
            method,
            f"{destination.scheme}://{literal}:{destination.port}{destination.path}",
            content=content,
            headers={
                "Host": destination.host_header,
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                "User-Agent": "release-mailer",
                **headers,
            },
            extensions={"sni_hostname": destination.host},
        )
        response = await self._send(destination.host, request)
        try:
            read = 0
            async for chunk in response.aiter_raw():
                read += len(chunk)
                if read >= LARGEST_ANSWER:
                    break
        finally:
            await response.aclose()
        location = response.headers.get("location") if response.is_redirect else None
        return Answer(response.status_code, f"HTTP {response.status_code}", location)

    async def _send(self, host: str, request: httpx.Request) -> httpx.Response:
        is_new = host not in self._clients
        if is_new:
            self._clients[host] = httpx.AsyncClient(
                verify=_tls(), trust_env=False, follow_redirects=False, timeout=TOTAL_SECONDS, http2=False
            )
        client = self._clients[host]
        try:
            return await client.send(request, stream=True)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if is_new:
                raise
            # The server may close a connection just when the next call is sent on it (RFC 9112, section 9.3.1).
            return await client.send(request, stream=True)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
