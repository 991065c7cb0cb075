"""Check that the unsubscribe page answers one-click requests at its public address (RFC 8058 section 3.2)."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from email.message import Message
from http.client import HTTPException
from ipaddress import ip_address
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 5
ONE_CLICK_BODY = b"List-Unsubscribe=One-Click"
_MAX_BODY_BYTES = 4096
_UNKNOWN_LINK_STATUS = 404


def find_problem(url: str) -> str | None:
    """The problem with the answers to one-click requests at `url`, or None. It takes at most 5 seconds.

    `url` is a link that belongs to nobody, so posting to it changes nothing. The same link with another
    signature must be refused: only our page, with our keys and our installation, distinguishes the two.
    """
    found: list[str | None] = ["it does not answer within 5 seconds"]

    def check() -> None:
        found[0] = _check(url)

    # A server can send one byte at a time: no timeout of a socket limits the whole.
    thread = threading.Thread(target=check, daemon=True)
    thread.start()
    thread.join(TIMEOUT_SECONDS)
    return found[0]


def _check(url: str) -> str | None:
    try:
        status, headers = _post(url)
        if 300 <= status < 400:
            return f"it answers a one-click request with a redirect ({status})"
        if not 200 <= status < 300:
            return f"it answers a one-click request with status {status}"
        if "Set-Cookie" in headers:
            return "it answers a one-click request with a cookie"
        status, _ = _post(_forge(url))
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return f"it can't be reached ({reason})"
    if status != _UNKNOWN_LINK_STATUS:
        return f"it answers a forged link with status {status}, so it is not the page of this installation"
    return None


def _post(url: str) -> tuple[int, Message]:
    request = urllib.request.Request(url, data=ONE_CLICK_BODY, method="POST")  # noqa: S310 - http or https, by the settings
    request.add_header("Content-Type", "application/x-www-form-urlencoded")
    opener = urllib.request.build_opener(_NoRedirects, *_proxies_for(url))
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            answer.read(_MAX_BODY_BYTES)
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers


def _forge(url: str) -> str:
    """The link with another first character in its signature."""
    start, dot, signature = url.rpartition(".")
    return f"{start}{dot}{'B' if signature.startswith('A') else 'A'}{signature[1:]}"


def _proxies_for(url: str) -> list[urllib.request.BaseHandler]:
    """No proxy for this machine's own addresses."""
    host = urlsplit(url).hostname or ""
    try:
        is_loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    return [urllib.request.ProxyHandler({})] if is_loopback else []


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **_named: object) -> None:
        return None
