"""The checks of a rendered mail. An error blocks sending; a warning does not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType

from mailer.message import InlineImage, Slot
from templates.html_reader import read_html
from templates.lint.accessibility import Accessibility, AccessibilityListener
from templates.lint.findings import Finding, Severity
from templates.lint.inbox import check_inbox
from templates.lint.languages import compare_languages
from templates.lint.links import KNOWN_SLOT_MARKERS, check_link, shorten, split
from templates.lint.places import Places
from templates.lint.source import lint_notes
from templates.lint.structure import Structure, StructureListener
from templates.mail_contents import ContentsListener, Image, MailContents
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
_PARTS = frozenset({"subject", "preheader", "HTML", "text"})
_FEWEST_WORDS = 20
_FEWEST_SHARED_WORDS = 0.7  # of the words of the HTML, in the text part
_ADDRESS = re.compile(r"https?://\S+")
_NO_IMAGES: Mapping[str, InlineImage] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Mail:
    """A mail, what its HTML contains and how it is built, the hosts that it may fetch from, and where its parts stand in
    the notes.
    """

    rendered: RenderedNotes
    contents: MailContents
    structure: Structure
    accessibility: Accessibility
    hosts: Collection[str]
    places: Places

    @classmethod
    def read(cls, rendered: RenderedNotes, hosts: Collection[str], places: Places) -> _Mail:
        """The mail, with its HTML read once."""
        contents, structure, accessibility = ContentsListener(), StructureListener(), AccessibilityListener()
        read_html(rendered.html, contents, structure, accessibility)
        return cls(rendered, contents.contents(), structure.found, accessibility.found, hosts, places)


_Check = Callable[[_Mail], Iterator[Finding]]


def lint(
    rendered: RenderedNotes,
    *,
    image_hosts: Collection[str] = (),
    notes: ReleaseNotes | None = None,
    images: Mapping[str, InlineImage] = _NO_IMAGES,
    today: date | None = None,
) -> tuple[Finding, ...]:
    """The findings about a mail in all its languages, errors first. A mail may fetch images from `image_hosts` only.

    With the `notes` that it was rendered from, and their `images` by name, findings name the line, and the notes'
    Markdown is checked as well; with `today`, their date too.
    """
    written = {edition.locale: edition for edition in notes.editions} if notes else {}
    findings: list[Finding] = []
    for edition in rendered.editions:
        places = Places(written.get(edition.locale), images, image_hosts)
        mail = _Mail.read(edition, image_hosts, places)
        found = [finding for check in _CHECKS for finding in check(mail)]
        if rendered.translations:
            found = [_in_language(one, edition.locale) for one in found]
        findings += found
    if notes:
        findings += lint_notes(notes, image_hosts=image_hosts)
        findings += compare_languages(notes, image_hosts=image_hosts) if notes.translations else ()
        findings += _check_dates(notes, today) if today else ()
    return tuple(sorted(findings, key=lambda finding: finding.severity is Severity.WARNING))


def _in_language(finding: Finding, locale: str) -> Finding:
    """The finding, with the language where its place is a part of the mail."""
    if finding.where in _PARTS:
        return replace(finding, where=f"{finding.where} ({locale})")
    return finding


def _check_dates(notes: ReleaseNotes, today: date) -> Iterator[Finding]:
    for edition in notes.editions:
        if edition.date and edition.date > today:
            message = f"The notes are dated {edition.date}; today is {today}."
            yield Finding.of("date-future", message, edition.where_key("date") or edition.where(0))


def _check_inbox(mail: _Mail) -> Iterator[Finding]:
    at = {
        "subject": mail.places.of_key("title", "subject"),
        "preheader": mail.places.of_key("preheader", "preheader"),
    }
    for finding in check_inbox(mail.rendered.subject, mail.contents.preheader):
        yield replace(finding, where=at[finding.where])


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
    seen: Counter[str] = Counter()
    for link in mail.contents.links:
        if not (link.href.startswith("#") and link.href[1:] in mail.contents.ids):
            yield from check_link(link, mail.places, seen[link.href])
        seen[link.href] += 1


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
    """Whether each part has most words of the other, and the text part each web address."""
    contents = mail.contents
    prose, shown = (
        _count_words(contents.prose),
        _count_words(f"{contents.prose} {contents.code} {_alts(mail)}"),
    )
    told = _count_words(_ADDRESS.sub(" ", mail.rendered.text))
    for part, other, words, found in (("HTML", "text part", prose, told), ("text part", "HTML", told, shown)):
        shared = (words & found).total()
        if words.total() >= _FEWEST_WORDS and shared < _FEWEST_SHARED_WORDS * words.total():
            percent = 100 * shared // words.total()
            message = f"Only {percent} % of the words in the {part} are in the {other}."
            yield Finding.of("text-differs", message, "text")
    missing = [
        link.href
        for link in contents.links
        if link.href.startswith(("https:", "http:")) and link.href not in mail.rendered.text
    ]
    if missing:
        further = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        message = f"The text part does not have the address {shorten(missing[0])}{further}."
        yield Finding.of("text-differs", message, mail.places.of_address(missing[0]))


def _count_words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w{3,}", text.casefold()))


def _alts(mail: _Mail) -> str:
    return " ".join(image.alt for image in mail.contents.images)


def _check_size(mail: _Mail) -> Iterator[Finding]:
    size = len(mail.rendered.html.encode())
    if size > GMAIL_CLIP_BYTES:
        yield Finding.of(
            "too-large",
            f"The HTML has {size // 1024} KB. Gmail cuts it off at {GMAIL_CLIP_BYTES // 1024} KB, before the unsubscribe link.",
            "HTML",
        )


def _check_headings(mail: _Mail) -> Iterator[Finding]:
    above = 0
    for level, words in mail.structure.headings:
        name = " ".join(words.split())
        if not name:
            yield Finding.of("heading-empty", f"A heading of level {level} has no words.", "HTML")
        elif level > above + 1 and above:
            message = f"“{name[:60]}” has level {level}, below a heading of level {above}."
            yield Finding.of("heading-skips", message, mail.places.of_heading(name))
        above = level


def _check_structure(mail: _Mail) -> Iterator[Finding]:
    found = mail.structure
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


def _check_accessibility(mail: _Mail) -> Iterator[Finding]:
    found, lang = mail.accessibility, mail.structure.lang
    if lang.partition("-")[0].lower() != mail.rendered.locale:
        said = f"names the language {lang!r}, not {mail.rendered.locale!r}" if lang else "names no language"
        yield Finding.of("lang-missing", f"The HTML {said}.", "HTML")
    if not found.title.strip():
        yield Finding.of("title-missing", "The HTML has no <title>.", "HTML")
    if not found.has_main:
        yield Finding.of("main-missing", 'Nothing in the HTML has role="main".', "HTML")
    if not found.has_top_heading:
        yield Finding.of("heading-top-missing", "The HTML has no <h1>.", "HTML")
    if found.is_zoom_locked:
        yield Finding.of("zoom-locked", 'The <meta name="viewport"> keeps readers from enlarging.', "HTML")
    if found.hidden_links:
        yield Finding.of("link-hidden", f"{found.hidden_links} links are within aria-hidden.", "HTML")
    for what in sorted(found.misplaced):
        yield Finding.of("list-broken", f"There is a {what}.", "HTML")
    for what in sorted(found.nameless):
        yield Finding.of("picture-nameless", f"{what} has no description (aria-label).", "HTML")


_CHECKS: tuple[_Check, ...] = (
    _check_inbox,
    _check_slots,
    _check_active_content,
    _check_fetched_urls,
    _check_images,
    _check_links,
    _check_text,
    _check_size,
    _check_headings,
    _check_structure,
    _check_accessibility,
)
