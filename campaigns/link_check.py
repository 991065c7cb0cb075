"""Try the links of a mail, on request. Only public addresses are called, HEAD first, and nothing of the answer is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from urllib.parse import urldefrag, urljoin, urlsplit

from mailer.errors import InvalidInput
from mailer.message import Slot
from mailer.webhooks import Reach, parse_destination
from mailer.webhooks.caller import Answer, Caller
from templates.lint import Finding, Places, is_private
from templates.mail_contents import read_mail_html
from templates.notes import RenderedNotes

MOST_LINKS = 200
_AT_ONCE = 8
_MOST_REDIRECTS = 5
_GONE = frozenset({404, 410})
_NO_HEAD = frozenset({400, 403, 404, 405, 406, 500, 501, 503})  # answers of servers that know no HEAD
_NOT_RESOLVED = "The name does not resolve."


async def check_links(rendered: RenderedNotes, places: Places, reach: Reach) -> tuple[Finding, ...]:
    """The findings about the links that do not lead to a page. Each address is tried once, at most 200 of them.

    A private address that `reach` does not allow is left out: `link-private` names it.
    """
    found = [
        url
        for url in dict.fromkeys(_addresses(rendered))
        if reach.allow_private or not is_private(_host(url))
    ]
    gate = asyncio.Semaphore(_AT_ONCE)

    async def check(url: str) -> Finding | None:
        async with gate:
            return _judge(url, await _visit(url, reach), places.of_address(url))

    checked = await asyncio.gather(*map(check, found[:MOST_LINKS]))
    findings = [one for one in checked if one is not None]
    if len(found) > MOST_LINKS:
        message = f"Only the first {MOST_LINKS} of {len(found)} addresses were tried."
        findings.append(Finding.of("link-unsure", message, "HTML"))
    return tuple(findings)


def _addresses(rendered: RenderedNotes) -> Iterable[str]:
    slots = {slot.marker for slot in Slot}
    for link in read_mail_html(rendered.html).links:
        if link.href not in slots and link.href.startswith(("https://", "http://")):
            yield link.href


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


async def _visit(url: str, reach: Reach) -> Answer:
    """The last answer on the way from `url`, over at most five redirects. Each of them must lead to a public address."""
    target = urldefrag(url).url
    async with Caller(reach) as caller:
        for _ in range(_MOST_REDIRECTS + 1):
            try:
                destination = parse_destination(target, reach)
            except InvalidInput as error:
                return Answer(None, error.reason)
            answer = await caller.call("HEAD", destination)
            if answer.status in _NO_HEAD:
                answer = await caller.call("GET", destination)
            if answer.location is None:
                return answer
            try:
                target = urldefrag(urljoin(target, answer.location)).url
                urlsplit(target)
            except ValueError:
                return Answer(None, "it redirects to an invalid address")
    return Answer(None, "it leads from redirect to redirect")


def _judge(url: str, answer: Answer, where: str) -> Finding | None:
    if answer.is_accepted:
        return None
    detail = answer.detail.rstrip(".")
    is_broken = answer.status in _GONE or answer.detail == _NOT_RESOLVED
    return Finding.of("link-broken" if is_broken else "link-unsure", f"{url[:100]}: {detail}.", where)
