"""The checks of a rendered mail. An error blocks sending; a warning does not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from mailer.message import InlineImage, Slot
from templates.lint.findings import Finding, Severity
from templates.lint.inbox import check_inbox
from templates.lint.languages import compare_languages
from templates.lint.links import KNOWN_SLOT_MARKERS, check_link, shorten, split
from templates.lint.mail_contents import Image, MailContents, read_mail_html
from templates.lint.places import Places
from templates.lint.source import lint_notes
from templates.lint.structure import read_structure
from templates.notes import ReleaseNotes, RenderedNotes

GMAIL_CLIP_BYTES = 102 * 1024  # Gmail cuts off HTML that is larger
HEAVY_PICTURES_BYTES = 1_000_000
_SLOT_MARKER = re.compile(r"__slot_\w*?__")
_PLACEHOLDER = re.compile(r"\b(?:TODO|FIXME|XXX|TBD|lorem ipsum)\b|\{\{|\{%", re.IGNORECASE)
_USELESS_ALT = re.compile(
    r"(?:(?:an? )?(?:image|img|picture|photo|screen ?shot|screen ?capture|afbeelding|schermafbeelding|plaatje|alt|untitled)[\s\d_.:-]*"
    r"|[\w-]+\.(?:png|jpe?g|gif|webp))",
    re.IGNORECASE,
)
_PARTS = frozenset({"subject", "HTML", "text"})
_FEWEST_WORDS = 20
_FEWEST_SHARED_WORDS = 0.7  # of the words of the HTML, in the text part
_NO_IMAGES: Mapping[str, InlineImage] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Mail:
    """A mail, what its HTML contains, the hosts that it may fetch from, and where its parts stand in the notes."""

    rendered: RenderedNotes
    contents: MailContents
    hosts: Collection[str]
    places: Places


_Check = Callable[[_Mail], Iterator[Finding]]


def lint(
    rendered: RenderedNotes,
    *,
    image_hosts: Collection[str] = (),
    notes: ReleaseNotes | None = None,
    images: Mapping[str, InlineImage] = _NO_IMAGES,
) -> tuple[Finding, ...]:
    """The findings about a mail in all its languages, errors first. A mail may fetch images from `image_hosts` only.

    With the `notes` that it was rendered from, and their `images` by name, findings name the line, and the notes' Markdown
    is checked as well.
    """
    written = {edition.locale: edition for edition in notes.editions} if notes else {}
    findings: list[Finding] = []
    for edition in rendered.editions:
        places = Places(written.get(edition.locale), images, image_hosts)
        mail = _Mail(edition, read_mail_html(edition.html), image_hosts, places)
        found = [finding for check in _CHECKS for finding in check(mail)]
        if rendered.translations:
            found = [_in_language(one, edition.locale) for one in found]
        findings += found
    if notes:
        findings += lint_notes(notes)
        findings += compare_languages(notes) if notes.translations else ()
    return tuple(sorted(findings, key=lambda finding: finding.severity is Severity.WARNING))


def _in_language(finding: Finding, locale: str) -> Finding:
    """The finding, with the language where its place is a part of the mail."""
    if finding.where in _PARTS:
        return replace(finding, where=f"{finding.where} ({locale})")
    return finding


def _check_inbox(mail: _Mail) -> Iterator[Finding]:
    return check_inbox(mail.rendered.subject, mail.rendered.preheader)


def _check_slots(mail: _Mail) -> Iterator[Finding]:
    marker = Slot.UNSUBSCRIBE_URL.marker
    if not any(link.href == marker and link.text for link in mail.contents.links):
        yield Finding.of("unsubscribe-missing", "There is no link to unsubscribe.", "HTML")
    if marker not in mail.rendered.text:
        yield Finding.of("unsubscribe-missing", "There is no link to unsubscribe.", "text")
    for where, text in (("HTML", mail.rendered.html), ("text", mail.rendered.text)):
        for unknown in sorted(set(_SLOT_MARKER.findall(text)) - KNOWN_SLOT_MARKERS):
            yield Finding.of("slot-unknown", f"Nothing fills {unknown}.", where)


def _check_active_content(mail: _Mail) -> Iterator[Finding]:
    for name in sorted(set(mail.contents.active)):
        yield Finding.of(
            "active-content", f"{name} is not allowed in a mail: mail readers block or report it.", "HTML"
        )


def _check_fetched_urls(mail: _Mail) -> Iterator[Finding]:
    enclosed = {f"cid:{image.content_id}" for image in mail.rendered.images}
    for url in sorted(set(mail.contents.fetched_urls)):
        parts = split(url)
        if parts.scheme == "cid":
            if url not in enclosed:
                yield Finding.of("image-missing", f"{url} is not among the images of the mail.", "HTML")
        elif parts.scheme != "https" or parts.hostname not in mail.hosts:
            yield Finding.of(
                "foreign-host",
                f"{shorten(url)} would be fetched when the mail is opened, so its host would learn who reads it. "
                "Enclose it, or add the host to image_hosts.",
                mail.places.of_address(url),
            )


def _check_images(mail: _Mail) -> Iterator[Finding]:
    for image in mail.contents.images:
        for code, message in _problems_of_image(image, shorten(mail.places.name_of(image.source))):
            yield Finding.of(code, message, mail.places.of_address(image.source))
    total = sum(len(image.data) for image in mail.rendered.images)
    if total > HEAVY_PICTURES_BYTES:
        yield Finding.of(
            "pictures-heavy", f"The pictures have {total:,} bytes together, in every mail.", "HTML"
        )


def _problems_of_image(image: Image, name: str) -> Iterator[tuple[str, str]]:
    alt = image.alt.strip()
    if image.is_pixel:
        yield "tracking-pixel", f"{name} is too small to see, like a tracking pixel."
    if not alt:
        yield "alt-missing", f"The image {name} has no description (alt)."
    elif _USELESS_ALT.fullmatch(alt):
        yield "alt-useless", f"{alt[:60]!r} does not say what {name} shows."


def _check_links(mail: _Mail) -> Iterator[Finding]:
    for link in mail.contents.links:
        if not (link.href.startswith("#") and link.href[1:] in mail.contents.ids):
            yield from check_link(link, mail.places)


def _check_text(mail: _Mail) -> Iterator[Finding]:
    for where, text in (("subject", mail.rendered.subject), ("HTML", mail.contents.prose)):
        for found in sorted({match[0] for match in _PLACEHOLDER.finditer(text)}):
            place = mail.places.of_words(found) if where == "HTML" else where
            yield Finding.of("placeholder", f"{found!r} looks like unfinished text.", place)
    if not mail.rendered.text.strip():
        yield Finding.of("text-empty", "The text part is empty.", "text")
    else:
        yield from _compare_parts(mail)


def _compare_parts(mail: _Mail) -> Iterator[Finding]:
    """Whether the text part has most words of the HTML."""
    shown = Counter(re.findall(r"\w{3,}", mail.contents.prose.casefold()))
    told = Counter(re.findall(r"\w{3,}", mail.rendered.text.casefold()))
    shared = (shown & told).total()
    if shown.total() >= _FEWEST_WORDS and shared < _FEWEST_SHARED_WORDS * shown.total():
        percent = 100 * shared // shown.total()
        yield Finding.of(
            "text-differs", f"Only {percent} % of the words in the HTML are in the text part.", "text"
        )


def _check_size(mail: _Mail) -> Iterator[Finding]:
    size = len(mail.rendered.html.encode())
    if size > GMAIL_CLIP_BYTES:
        yield Finding.of(
            "too-large",
            f"The HTML has {size // 1024} KB. Gmail cuts it off at {GMAIL_CLIP_BYTES // 1024} KB, before the unsubscribe link.",
            "HTML",
        )


def _check_structure(mail: _Mail) -> Iterator[Finding]:
    found = read_structure(mail.rendered.html)
    if not found.lang:
        yield Finding.of("lang-missing", "The HTML names no language.", "HTML")
    above = 0
    for level, words in found.headings:
        name = " ".join(words.split())[:60]
        if not name:
            yield Finding.of("heading-empty", f"A heading of level {level} has no words.", "HTML")
        elif level > above + 1 and above:
            message = f"“{name}” has level {level}, below a heading of level {above}."
            yield Finding.of("heading-skips", message, mail.places.of_words(name))
        above = level
    for faint in found.faint:
        message = f"“{faint.text}” has contrast {faint.ratio:.1f} ({faint.foreground} on {faint.background}); 4.5 is needed."
        yield Finding.of("contrast-low", message, "HTML")
    if found.bare_tables:
        yield Finding.of(
            "table-role", f"{found.bare_tables} tables without header cells have no role.", "HTML"
        )
    if found.dropped_styles:
        yield Finding.of(
            "css-dropped", f"Not every mail program knows {', '.join(sorted(found.dropped_styles))}.", "HTML"
        )
    if found.dropped_tags:
        names = ", ".join(f"<{tag}>" for tag in sorted(found.dropped_tags))
        yield Finding.of("tag-dropped", f"Not every mail program knows {names}.", "HTML")


_CHECKS: tuple[_Check, ...] = (
    _check_inbox,
    _check_slots,
    _check_active_content,
    _check_fetched_urls,
    _check_images,
    _check_links,
    _check_text,
    _check_size,
    _check_structure,
)
