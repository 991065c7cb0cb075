"""What is wrong with a mail before anybody gets it. Errors hold it back, warnings are for its authors to weigh."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from mailer.message import Slot
from templates.lint.mail_reader import Link, MailReader, read
from templates.notes import RenderedNotes

CLIPPED_AT = 102 * 1024  # bytes of HTML that Gmail shows before it cuts a mail off
LONGEST_SUBJECT = 78
_SHOWN = 60
_KNOWN_SLOTS = frozenset(slot.marker for slot in Slot)
_SLOT = re.compile(r"__slot_\w*?__")
_PLACEHOLDER = re.compile(r"\b(?:TODO|FIXME|XXX|TBD|lorem ipsum)\b|\{\{|\{%", re.IGNORECASE)
_VAGUE = frozenset(
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
    """Whether a finding holds the mail back."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; `code` is fixed, for scripts. `where` is the part of the mail: subject, HTML, text."""

    severity: Severity
    code: str
    message: str
    where: str


_Check = Callable[[RenderedNotes, MailReader, Collection[str]], Iterator[Finding]]


def lint(rendered: RenderedNotes, *, image_hosts: Collection[str] = ()) -> tuple[Finding, ...]:
    """The findings about a mail, errors first. `image_hosts` may be fetched from, nothing else may."""
    reader = read(rendered.html)
    findings = [finding for check in _CHECKS for finding in check(rendered, reader, image_hosts)]
    return tuple(sorted(findings, key=lambda finding: finding.severity is Severity.WARNING))


def _subject(rendered: RenderedNotes, _reader: MailReader, _hosts: Collection[str]) -> Iterator[Finding]:
    if not rendered.subject.strip():
        yield _error("subject-empty", "The subject is empty.", "subject")
    if any(ord(character) < ord(" ") for character in rendered.subject):
        yield _error(
            "subject-control", "There is a line break or a control character in the subject.", "subject"
        )
    if len(rendered.subject) > LONGEST_SUBJECT:
        yield _warning(
            "subject-long",
            f"The subject has {len(rendered.subject)} characters; past {LONGEST_SUBJECT} it is cut off, on a phone at 40.",
            "subject",
        )
    if not rendered.preheader.strip():
        yield _warning(
            "preheader-missing", "There is no preheader, the line an inbox shows after the subject.", "HTML"
        )


def _slots(rendered: RenderedNotes, reader: MailReader, _hosts: Collection[str]) -> Iterator[Finding]:
    marker = Slot.UNSUBSCRIBE_URL.marker
    if not any(link.href == marker and link.words for link in reader.links):
        yield _error("unsubscribe-missing", "There is no link to unsubscribe.", "HTML")
    if marker not in rendered.text:
        yield _error("unsubscribe-missing", "There is no link to unsubscribe.", "text")
    for where, content in (("HTML", rendered.html), ("text", rendered.text)):
        for unknown in sorted(set(_SLOT.findall(content)) - _KNOWN_SLOTS):
            yield _error("slot-unknown", f"Nothing fills {unknown}.", where)


def _active(_rendered: RenderedNotes, reader: MailReader, _hosts: Collection[str]) -> Iterator[Finding]:
    for what in sorted(set(reader.active)):
        yield _error(
            "active-content", f"{what} does not belong in a mail; mail readers block or report it.", "HTML"
        )


def _loaded(rendered: RenderedNotes, reader: MailReader, hosts: Collection[str]) -> Iterator[Finding]:
    enclosed = {f"cid:{image.content_id}" for image in rendered.images}
    for url in sorted(set(reader.loaded)):
        parts = _split(url)
        if parts.scheme == "cid":
            if url not in enclosed:
                yield _error("image-missing", f"{url} is not among the images of the mail.", "HTML")
        elif parts.scheme != "https" or parts.hostname not in hosts:
            yield _error(
                "foreign-host",
                f"{_short(url)} would be fetched on reading, which tells its host who reads; "
                "enclose it, or add the host to image_hosts.",
                "HTML",
            )


def _images(_rendered: RenderedNotes, reader: MailReader, _hosts: Collection[str]) -> Iterator[Finding]:
    for image in reader.images:
        if image.is_pixel:
            yield _error(
                "tracking-pixel",
                f"{_short(image.source)} is too small to see, as tracking pixels are.",
                "HTML",
            )
        if not image.alt.strip():
            yield _warning(
                "alt-missing", f"The image {_short(image.source)} has no description (alt).", "HTML"
            )


def _links(_rendered: RenderedNotes, reader: MailReader, _hosts: Collection[str]) -> Iterator[Finding]:
    for link in reader.links:
        yield from _link(link)


def _link(link: Link) -> Iterator[Finding]:
    target = _short(link.href)
    if not link.words:
        yield _warning("link-empty", f"The link to {target} has no words.", "HTML")
    elif link.words.casefold().strip(" .!>»→") in _VAGUE:
        yield _warning("link-vague", f"{link.words!r} does not say where it leads ({target}).", "HTML")
    if link.href in _KNOWN_SLOTS:
        return
    parts = _split(link.href)
    if parts.scheme not in {"https", "http", "mailto", "tel"}:
        yield _error("link-scheme", f"The link to {target} works in no mail.", "HTML")
    elif parts.hostname and _is_private(parts.hostname):
        yield _warning("link-private", f"{target} can only be reached from your own network.", "HTML")
    elif parts.scheme == "http":
        yield _warning("link-insecure", f"The link to {target} is not encrypted (http).", "HTML")


def _wording(rendered: RenderedNotes, reader: MailReader, _hosts: Collection[str]) -> Iterator[Finding]:
    for where, content in (("subject", rendered.subject), ("HTML", reader.prose)):
        for found in sorted({match[0] for match in _PLACEHOLDER.finditer(content)}):
            yield _warning("placeholder", f"{found!r} looks like something left to be done.", where)
    if not rendered.text.strip():
        yield _error("text-empty", "The text part is empty.", "text")


def _size(rendered: RenderedNotes, _reader: MailReader, _hosts: Collection[str]) -> Iterator[Finding]:
    size = len(rendered.html.encode())
    if size > CLIPPED_AT:
        yield _warning(
            "too-large",
            f"The HTML has {size // 1024} KB; Gmail cuts it off at {CLIPPED_AT // 1024} KB, before the unsubscribe link.",
            "HTML",
        )


_CHECKS: tuple[_Check, ...] = (_subject, _slots, _active, _loaded, _images, _links, _wording, _size)


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


def _short(url: str) -> str:
    return url if len(url) <= _SHOWN else f"{url[:_SHOWN]}..."
