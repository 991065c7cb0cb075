"""Check that the unsubscribe page answers one-click requests at its public address (RFC 8058 section 3.2)."""

from __future__ import annotations

import threading

from mailer.errors import reason_of
from mailer.form_post import post_form

TIMEOUT_SECONDS = 5
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
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
        status, headers, _ = post_form(url, ONE_CLICK, timeout_seconds=TIMEOUT_SECONDS)
        if 300 <= status < 400:
            return f"it answers a one-click request with a redirect ({status})"
        if not 200 <= status < 300:
            return f"it answers a one-click request with status {status}"
        if "Set-Cookie" in headers:
            return "it answers a one-click request with a cookie"
        status = post_form(_forge(url), ONE_CLICK, timeout_seconds=TIMEOUT_SECONDS).status
    except (OSError, ValueError) as error:
        return f"it can't be reached ({reason_of(error)})"
    if status != _UNKNOWN_LINK_STATUS:
        return f"it answers a forged link with status {status}, so it is not the page of this installation"
    return None


def _forge(url: str) -> str:
    """The link with another first character in its signature."""
    start, dot, signature = url.rpartition(".")
    return f"{start}{dot}{'B' if signature.startswith('A') else 'A'}{signature[1:]}"
