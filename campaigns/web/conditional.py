"""Answers that a reader who has them already need not be sent again (RFC 9110, sections 8.8 and 13)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from starlette.requests import Request
from starlette.responses import Response


def conditional_answer(
    request: Request,
    content: bytes,
    media_type: str,
    headers: Mapping[str, str],
    last_modified: datetime | None = None,
) -> Response:
    """The content with a validator, or 304 where the reader has just that.

    An ETag takes precedence over a date (RFC 9110, section 13.2.2).
    """
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    validators = {"ETag": tag}
    if last_modified is not None:
        moment = last_modified.astimezone(UTC).replace(microsecond=0)
        validators["Last-Modified"] = format_datetime(moment, usegmt=True)
    if _is_current(request, tag, last_modified):
        return Response(status_code=304, headers={**headers, **validators})
    return Response(content, headers={**headers, **validators}, media_type=media_type)


def _is_current(request: Request, tag: str, last_modified: datetime | None) -> bool:
    known = request.headers.getlist("if-none-match")
    if known:
        tags = {one.strip().removeprefix("W/") for one in ",".join(known).split(",")}
        return tag in tags or "*" in tags
    since = request.headers.get("if-modified-since")
    if since is None or last_modified is None:
        return False
    try:
        known_since = parsedate_to_datetime(since)
    except (ValueError, OverflowError):  # such as a zone that is years away
        return False
    if known_since.tzinfo is None:
        return False
    return last_modified.replace(microsecond=0) <= known_since
