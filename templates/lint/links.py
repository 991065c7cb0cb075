"""The checks of a link that need no network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from mailer.message import Slot
from templates.lint.findings import Finding
from templates.lint.places import Places
from templates.mail_contents import Link

KNOWN_SLOT_MARKERS = frozenset(slot.marker for slot in Slot)
_MAX_SHOWN_CHARACTERS = 60  # of a URL in a finding
_VAGUE_LINK_TEXTS = frozenset(
    {
        "click here",
        "here",
        "read more",
        "more",
        "link",
        "this link",
        "klik hier",
        "hier",
        "lees meer",
        "meer",
        "deze link",
    }
)


# Services that count clicks or hide where a link leads.
_REDIRECTORS = re.compile(
    r"(?:^|\.)(?:bit\.ly|tinyurl\.com|t\.co|goo\.gl|ow\.ly|is\.gd|lnkd\.in|buff\.ly|rebrand\.ly|cutt\.ly|t\.ly|shorturl\.at"
    r"|list-manage\.com|mailchi\.mp|hubspotlinks\.com|sendgrid\.net|mandrillapp\.com|awstrack\.me|safelinks\.protection\.outlook\.com"
    r"|urldefense\.com|urldefense\.proofpoint\.com|click\.[\w.-]+)$"
)
_TRACKING = re.compile(r"(?:^|&)(utm_\w+|fbclid|gclid|mc_eid|mc_cid|_hsenc|_hsmi|mkt_tok)=", re.IGNORECASE)


def check_link(link: Link, places: Places, number: int = 0) -> Iterator[Finding]:
    """The findings about one link of a mail, the one with this `number` of those to its address, from 0."""
    for code, message in _problems(link):
        yield Finding.of(code, message, places.of_address(link.href, number))


def _problems(link: Link) -> Iterator[tuple[str, str]]:
    target = shorten(link.href)
    if not link.text:
        yield "link-empty", f"The link to {target} has no text."
    elif link.text.casefold().strip(" .!>»→") in _VAGUE_LINK_TEXTS:
        yield "link-vague", f"{link.text!r} does not say where it leads ({target})."
    if link.href in KNOWN_SLOT_MARKERS:
        return
    parts = split(link.href)
    if parts.scheme not in {"https", "http", "mailto", "tel"}:
        yield "link-scheme", f"The link to {target} does not work in a mail."
        return
    host = parts.hostname or ""
    if host and is_private(host):
        yield "link-private", f"{target} can only be reached from your own network."
    elif parts.scheme == "http":
        yield "link-insecure", f"The link to {target} is not encrypted (http)."
    if _REDIRECTORS.search(host):
        yield "link-redirector", f"{target} leads through {host}, which sees who follows it."
    if tracked := _TRACKING.search(parts.query):
        yield "link-tracking", f"{target} has {tracked[1]}, which tells where a reader came from."
    said = split(link.text if "://" in link.text else f"https://{link.text}")
    if re.match(r"https?://|www\.", link.text) and host and _bare(said.hostname) not in {"", _bare(host)}:
        yield "link-deceptive", f"{shorten(link.text)} leads to {target}."


def split(url: str) -> SplitResult:
    """The parts of an address; empty ones where it is none."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def shorten(url: str) -> str:
    """An address as a message shows it."""
    return url if len(url) <= _MAX_SHOWN_CHARACTERS else f"{url[:_MAX_SHOWN_CHARACTERS]}..."


def _bare(host: str | None) -> str:
    return (host or "").removeprefix("www.")


def is_private(host: str) -> bool:
    """Whether a host name or an address leads into one's own network, as far as it tells without DNS."""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host
