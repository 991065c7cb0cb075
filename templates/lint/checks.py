"""The checks of a rendered mail. An error blocks sending; a warning does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from mailer.message import Slot
from templates.lint.mail_contents import Link, MailContents, read_mail_html
from templates.notes import RenderedNotes

GMAIL_CLIP_BYTES = 102 * 1024  # Gmail cuts off HTML that is larger
MAX_SUBJECT_CHARACTERS = 78
_MAX_SHOWN_CHARACTERS = 60  # of a URL in a finding
_KNOWN_SLOT_MARKERS = frozenset(slot.marker for slot in Slot)
_SLOT_MARKER = re.compile(r"__slot_\w*?__")
_PLACEHOLDER = re.compile(r"\b(?:TODO|FIXME|XXX|TBD|lorem ipsum)\b|\{\{|\{%", re.IGNORECASE)
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


class Severity(StrEnum):
    """Whether a finding blocks sending."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a mail. `code` is stable, for scripts. `where` names the part: subject, HTML, text."""

    severity: Severity
    code: str
    message: str
    where: str


_Check = Callable[[RenderedNotes, MailContents, Collection[str]], Iterator[Finding]]


def lint(rendered: RenderedNotes, *, image_hosts: Collection[str] = ()) -> tuple[Finding, ...]:
    """The findings about a mail in all its languages, errors first. A mail may fetch images from `image_hosts` only."""
    findings: list[Finding] = []
    for edition in rendered.editions:
        contents = read_mail_html(edition.html)
        found = [finding for check in _CHECKS for finding in check(edition, contents, image_hosts)]
        if rendered.translations:
            found = [replace(one, where=f"{one.where} ({edition.locale})") for one in found]
        findings += found
    return tuple(sorted(findings, key=lambda finding: finding.severity is Severity.WARNING))


def _check_subject(
    rendered: RenderedNotes, _contents: MailContents, _hosts: Collection[str]
) -> Iterator[Finding]:
    if not rendered.subject.strip():
        yield _error("subject-empty", "The subject is empty.", "subject")
    if any(ord(character) < ord(" ") for character in rendered.subject):
        yield _error(
            "subject-control", "The subject contains a line break or a control character.", "subject"
        )
    if len(rendered.subject) > MAX_SUBJECT_CHARACTERS:
        yield _warning(
            "subject-long",
            f"The subject has {len(rendered.subject)} characters. Mail readers cut it off after {MAX_SUBJECT_CHARACTERS},"
            " on a phone after 40.",
            "subject",
        )
    if not rendered.preheader.strip():
        yield _warning(
            "preheader-missing",
            "There is no preheader, the text that an inbox shows after the subject.",
            "HTML",
        )


def _check_slots(
    rendered: RenderedNotes, contents: MailContents, _hosts: Collection[str]
) -> Iterator[Finding]:
    marker = Slot.UNSUBSCRIBE_URL.marker
    if not any(link.href == marker and link.text for link in contents.links):
        yield _error("unsubscribe-missing", "There is no link to unsubscribe.", "HTML")
    if marker not in rendered.text:
        yield _error("unsubscribe-missing", "There is no link to unsubscribe.", "text")
    for where, text in (("HTML", rendered.html), ("text", rendered.text)):
        for unknown in sorted(set(_SLOT_MARKER.findall(text)) - _KNOWN_SLOT_MARKERS):
            yield _error("slot-unknown", f"Nothing fills {unknown}.", where)


def _check_active_content(
    _rendered: RenderedNotes, contents: MailContents, _hosts: Collection[str]
) -> Iterator[Finding]:
    for name in sorted(set(contents.active)):
        yield _error(
            "active-content", f"{name} is not allowed in a mail: mail readers block or report it.", "HTML"
        )


def _check_fetched_urls(
    rendered: RenderedNotes, contents: MailContents, hosts: Collection[str]
) -> Iterator[Finding]:
    enclosed = {f"cid:{image.content_id}" for image in rendered.images}
    for url in sorted(set(contents.fetched_urls)):
        parts = _split(url)
        if parts.scheme == "cid":
            if url not in enclosed:
                yield _error("image-missing", f"{url} is not among the images of the mail.", "HTML")
        elif parts.scheme != "https" or parts.hostname not in hosts:
            yield _error(
                "foreign-host",
                f"{_shorten(url)} would be fetched when the mail is opened, so its host would learn who reads it. "
                "Enclose it, or add the host to image_hosts.",
                "HTML",
            )


def _check_images(
    _rendered: RenderedNotes, contents: MailContents, _hosts: Collection[str]
) -> Iterator[Finding]:
    for image in contents.images:
        if image.is_pixel:
            yield _error(
                "tracking-pixel",
                f"{_shorten(image.source)} is too small to see, like a tracking pixel.",
                "HTML",
            )
        if not image.alt.strip():
            yield _warning(
                "alt-missing", f"The image {_shorten(image.source)} has no description (alt).", "HTML"
            )


def _check_links(
    _rendered: RenderedNotes, contents: MailContents, _hosts: Collection[str]
) -> Iterator[Finding]:
    for link in contents.links:
        if not (link.href.startswith("#") and link.href[1:] in contents.ids):
            yield from _check_link(link)


def _check_link(link: Link) -> Iterator[Finding]:
    target = _shorten(link.href)
    if not link.text:
        yield _warning("link-empty", f"The link to {target} has no text.", "HTML")
    elif link.text.casefold().strip(" .!>»→") in _VAGUE_LINK_TEXTS:
        yield _warning("link-vague", f"{link.text!r} does not say where it leads ({target}).", "HTML")
    if link.href in _KNOWN_SLOT_MARKERS:
        return
    parts = _split(link.href)
    if parts.scheme not in {"https", "http", "mailto", "tel"}:
        yield _error("link-scheme", f"The link to {target} does not work in a mail.", "HTML")
    elif parts.hostname and _is_private(parts.hostname):
        yield _warning("link-private", f"{target} can only be reached from your own network.", "HTML")
    elif parts.scheme == "http":
        yield _warning("link-insecure", f"The link to {target} is not encrypted (http).", "HTML")


def _check_text(
    rendered: RenderedNotes, contents: MailContents, _hosts: Collection[str]
) -> Iterator[Finding]:
    for where, text in (("subject", rendered.subject), ("HTML", contents.prose)):
        for found in sorted({match[0] for match in _PLACEHOLDER.finditer(text)}):
            yield _warning("placeholder", f"{found!r} looks like unfinished text.", where)
    if not rendered.text.strip():
        yield _error("text-empty", "The text part is empty.", "text")


def _check_size(
    rendered: RenderedNotes, _contents: MailContents, _hosts: Collection[str]
) -> Iterator[Finding]:
    size = len(rendered.html.encode())
    if size > GMAIL_CLIP_BYTES:
        yield _warning(
            "too-large",
            f"The HTML has {size // 1024} KB. Gmail cuts it off at {GMAIL_CLIP_BYTES // 1024} KB, before the unsubscribe link.",
            "HTML",
        )


_CHECKS: tuple[_Check, ...] = (
    _check_subject,
    _check_slots,
    _check_active_content,
    _check_fetched_urls,
    _check_images,
    _check_links,
    _check_text,
    _check_size,
)


def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _error(code: str, message: str, where: str) -> Finding:
    return Finding(Severity.ERROR, code, message, where)


def _warning(code: str, message: str, where: str) -> Finding:
    return Finding(Severity.WARNING, code, message, where)


def _shorten(url: str) -> str:
    return url if len(url) <= _MAX_SHOWN_CHARACTERS else f"{url[:_MAX_SHOWN_CHARACTERS]}..."
