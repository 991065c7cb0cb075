"""Post a form over HTTP, to the address that is given and nowhere else."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from mailer.loopback import is_loopback

MAX_ANSWER_BYTES = 1 << 20


class Answer(NamedTuple):
    """The answer to a request: MAX_ANSWER_BYTES of its body at most."""

    status: int
    headers: Message
    body: bytes


def post_form(
    url: str,
    fields: Mapping[str, str],
    *,
    timeout_seconds: float,
    headers: Mapping[str, str] | None = None,
    ca_file: Path | None = None,
) -> Answer:
    """Post `fields` to an http or https URL. Redirects are not followed: they would send the fields elsewhere.

    The proxy of the environment is used, but not for this machine's own addresses. `ca_file`, where given, replaces the
    system's authorities. Raises OSError where the request fails, such as an ssl.SSLCertVerificationError.
    """
    tls = ssl.create_default_context(cafile=ca_file) if ca_file else None  # None verifies by the system's
    is_here = is_loopback(urlsplit(url).hostname or "")
    opener = urllib.request.OpenerDirector()  # it has no handlers for redirects and error statuses
    for handler in (
        urllib.request.ProxyHandler({} if is_here else None),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=tls),
    ):
        opener.add_handler(handler)
    request = urllib.request.Request(  # noqa: S310 - the callers' settings take http and https only
        url,
        data=urlencode(fields).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"} | dict(headers or {}),
    )
    try:
        with opener.open(request, timeout=timeout_seconds) as answer:
            return Answer(answer.status, answer.headers, answer.read(MAX_ANSWER_BYTES))
    except urllib.error.URLError as error:
        raise error.reason if isinstance(error.reason, OSError) else OSError(str(error.reason)) from None
    except HTTPException as error:
        raise OSError(f"its answer can't be read ({type(error).__name__})") from None
