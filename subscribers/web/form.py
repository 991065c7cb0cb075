"""Read the small form in a POST to an unsubscribe link, with any Content-Type.

A one-click request must not be lost because of a wrong Content-Type, so the body decides: a body that begins
with a boundary is multipart/form-data (RFC 7578), any other is urlencoded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

BODY_SECONDS = 10
MAX_FIELDS = 10
MAX_FIELD_BYTES = 1024
_MAX_BOUNDARY_LENGTH = 70  # RFC 2046, section 5.1.1


class UnreadableForm(Exception):
    """The body of a POST is not a supported form."""


async def read_form(request: Request) -> Mapping[str, str]:
    """The fields of the form in the request's body (RFC 8058, section 3.2). Raises UnreadableForm."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.body()
            return await parse_form(body)
    except HTTPException as error:
        if error.status_code == 413:
            raise
        raise UnreadableForm from None
    except (ClientDisconnect, TimeoutError, ValueError):
        raise UnreadableForm from None


async def parse_form(body: bytes) -> Mapping[str, str]:
    """The fields of a form. Raises UnreadableForm."""
    text = body.strip()
    if not text:
        raise UnreadableForm
    if text.startswith(b"--"):
        return await _parse_multipart(text + b"\r\n")
    try:
        return dict(parse_qsl(text.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise UnreadableForm from None


async def _parse_multipart(body: bytes) -> Mapping[str, str]:
    boundary = body.partition(b"\n")[0].strip().removeprefix(b"--")
    if not 0 < len(boundary) <= _MAX_BOUNDARY_LENGTH:
        raise UnreadableForm
    headers = Headers(raw=[(b"content-type", b'multipart/form-data; boundary="' + boundary + b'"')])
    parser = MultiPartParser(
        headers, _whole(body), max_files=0, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
    )
    try:
        form = await parser.parse()
    except (MultiPartException, HTTPException, ValueError, KeyError, AssertionError, LookupError):
        raise UnreadableForm from None
    return {name: value for name, value in form.items() if isinstance(value, str)}


async def _whole(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body
    yield b""
