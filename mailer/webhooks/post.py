"""Call a checked address, with the host name of its URL; post a webhook to it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

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


async def post(destination: Destination, body: bytes, headers: Mapping[str, str], reach: Reach) -> Answer:
    """Make one call, of at most 10 seconds in all. A redirect is not followed; 8 KB of the answer are read."""
    own = {"Content-Type": "application/json", **headers}
    return await call("POST", destination, reach, content=body, headers=own)


async def call(
    method: str,
    destination: Destination,
    reach: Reach,
    *,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Call the checked address. The answer's `location` is where a redirect leads."""
    try:
        async with asyncio.timeout(TOTAL_SECONDS):
            return await _call(method, destination, reach, content, headers or {})
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
    method: str, destination: Destination, reach: Reach, content: bytes | None, headers: Mapping[str, str]
) -> Answer:
    address = await resolve(destination, reach)
    literal = f"[{address}]" if address.version == 6 else str(address)
    url = f"{destination.scheme}://{literal}:{destination.port}{destination.path}"
    async with httpx.AsyncClient(
        verify=_tls(), trust_env=False, follow_redirects=False, timeout=TOTAL_SECONDS, http2=False
    ) as client:
        request = client.build_request(
            method,
            url,
            content=content,
            headers={
                "Host": destination.host_header,
                "Accept-Encoding": "identity",
                "User-Agent": "release-mailer",
                **headers,
            },
            extensions={"sni_hostname": destination.host},
        )
        response = await client.send(request, stream=True)
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


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
