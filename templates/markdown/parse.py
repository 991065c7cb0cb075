"""Parses and checks the Markdown of release notes.

The dialect is CommonMark with GitHub's tables, task lists, strikethrough, alerts, footnotes and bare links, and with
definition lists, subscripts (``H~2~O``) and superscripts (``x^2^``). What a mail can't carry is refused with file and
line: a relative link without a base URL, an image from a host that is not allowed, nesting so deep that the MJML parser
would crash.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from markdown_it import MarkdownIt
from markdown_it.common.normalize_url import normalizeLink
from markdown_it.token import Token

from mailer.errors import InvalidInput
from templates.language import load_texts
from templates.markdown.budget import refuse_costly
from templates.markdown.references import Repository, resolve_relative, shorten_references
from templates.markdown.remote_images import replace_remote_images
from templates.markdown.rules import add_rules
from templates.notes import ReleaseNotes

MAX_BODY_CHARACTERS = 100_000
MAX_NESTING = 40
SLOT_PREFIX = "__slot_"  # the start of the markers of `mailer.message.Slot`
TOP_HEADING = 2  # the mail's title is the one h1
_FOOTNOTE = re.compile(r" {0,3}\[\^([^\]\s]+)\]:")
_ALERTS = frozenset({"note", "tip", "important", "warning", "caution"})
_MAX_PROBLEMS = 20
_MAX_SHOWN_CHARACTERS = 80  # of a URL in an error
_KEPT_DOCUMENTS = (
    4  # of up to 100,000 characters each: the languages of a campaign, or its last versions in a preview
)
_normalize_link = lru_cache(maxsize=4_096)(normalizeLink)  # a preview reads the same addresses with each save


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed body. Its headings start at h2 and its links are absolute.

    It is shared by everything that reads the same notes, so its tokens are never changed.
    """

    tokens: list[Token]
    notes: ReleaseNotes

    def images(self) -> Iterator[tuple[str, str]]:
        """The source of each image, and its place in the file."""
        for token, where in self.inline_tokens():
            if token.type == "image":
                for source in image_sources(token):
                    yield source, where

    def local_images(self) -> dict[str, str]:
        """The images that are files beside the notes: the file name, and its place in the notes."""
        return {unquote(source): where for source, where in self.images() if not urlsplit(source).scheme}

    def has_code(self) -> bool:
        """Whether there is a block of code, which colours may make larger."""
        return any(token.type == "fence" for token in self.tokens)

    def inline_tokens(self) -> Iterator[tuple[Token, str]]:
        """Each token inside a paragraph, heading or cell, and its place in the file."""
        for token in self.tokens:
            line = token.map[0] if token.map else 0
            for child in token.children or ():
                line += ends_line(child)
                yield child, self.notes.where(line)


def ends_line(token: Token) -> bool:
    """Whether a token inside a paragraph ends a line of the file; a ``<br>`` does not."""
    return token.type in {"softbreak", "hardbreak"} and "html" not in token.meta


def image_sources(image: Token) -> list[str]:
    """The address of an image, and the one for dark screens if it has one."""
    dark = [str(image.meta["dark"])] if image.meta.get("dark") else []
    return [str(image.attrs["src"]), *dark]


def create_parser() -> MarkdownIt:
    """A parser for the dialect. It accepts every link; `parse_notes` refuses the bad ones with a message."""
    options: dict[str, Any] = {
        "html": True,
        "tasklists": True,
        "alerts": True,
        "store_labels": True,
        "xhtmlOut": True,
        "maxNesting": 4 * MAX_NESTING,
    }
    markdown = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    markdown.validateLink = lambda url: True  # type: ignore[method-assign]  # noqa: ARG005
    markdown.normalizeLink = _normalize_link  # type: ignore[method-assign]
    add_rules(markdown)
    return markdown


def parse_notes(notes: ReleaseNotes, *, image_hosts: Collection[str] = ()) -> Document:
    """Parse the body of `notes`. `image_hosts` are the hosts that images may be fetched from.

    Pictures, mail and lint need the same document; it is kept, and parsed once. Raises InvalidInput, with file and
    line, for what a mail can't carry.
    """
    return _parse(notes, frozenset(image_hosts))


@lru_cache(maxsize=_KEPT_DOCUMENTS)
def _parse(notes: ReleaseNotes, image_hosts: frozenset[str]) -> Document:
    if len(notes.body) > MAX_BODY_CHARACTERS:
        raise InvalidInput(
            f"the text has {len(notes.body)} characters; the limit is {MAX_BODY_CHARACTERS}.",
            where=notes.origin,
            hint="Mail providers cut a mail off long before that. Shorten the text and link to the rest.",
        )
    refuse_costly(notes.body, notes.where)
    _refuse_slot_prefix(notes)
    environment: dict[str, Any] = {}
    try:
        document = Document(create_parser().parse(notes.body, environment), notes)
    except RecursionError:
        raise _too_deep(notes.origin) from None
    _refuse_lost_footnotes(document, environment)
    _check_depth(document)
    if notes.remote_images != "refuse":
        replace_remote_images(document.tokens, image_hosts, as_link=notes.remote_images == "link")
    repository = Repository.parse(notes.repository) if notes.repository else None
    if notes.short_references:
        shorten_references(document.tokens, repository)
    _check_addresses(document, image_hosts, repository)
    _shift_headings(document.tokens)
    _translate_alert_titles(document)
    return document


def _check_addresses(document: Document, image_hosts: Collection[str], repository: Repository | None) -> None:
    """Make links absolute. Raises InvalidInput with all images and links that a mail can't carry."""
    problems: list[InvalidInput] = []
    for token, where in document.inline_tokens():
        try:
            if token.type == "image":
                for source in image_sources(token):
                    _check_image(source, image_hosts, where)
            elif token.type == "link_open":
                href = str(token.attrs["href"])
                if repository and not document.notes.base_url and not _split(href, where).scheme:
                    href = resolve_relative(href, repository)
                token.attrs["href"] = _absolute_address(href, document.notes.base_url, where)
        except InvalidInput as problem:
            problems.append(problem)
    if problems:
        first, *others = problems
        hints = dict.fromkeys(problem.hint for problem in problems if problem.hint)
        further = [f"{other.where}: {other.reason}" for other in others[:_MAX_PROBLEMS]]
        raise InvalidInput("\n".join([first.reason, *further]), where=first.where, hint="\n".join(hints))


def _refuse_slot_prefix(notes: ReleaseNotes) -> None:
    """Refuse notes that hold a slot marker: sending would replace it by a recipient's data."""
    if any(SLOT_PREFIX in (text or "") for text in (notes.title, notes.preheader, notes.version)):
        raise slot_prefix_error(notes.origin)
    for number, line in enumerate(notes.body.splitlines()):
        if SLOT_PREFIX in line:
            raise slot_prefix_error(notes.where(number))


def slot_prefix_error(where: str) -> InvalidInput:
    """The error for notes that contain a slot marker, before or after rendering."""
    return InvalidInput(
        f'the text contains "{SLOT_PREFIX}", which marks the place of a recipient\'s data in a mail.',
        where=where,
        hint="Write it in another way.",
    )


def _refuse_lost_footnotes(document: Document, environment: dict[str, Any]) -> None:
    """Refuse footnotes without a reference, and footnotes that share a label: Markdown would omit both."""
    found = [
        (match[1], number)
        for number, line in enumerate(document.notes.body.split("\n"))
        if (match := _FOOTNOTE.match(line))
    ]
    known = environment.get("footnotes", {}).get("refs", {})
    seen: set[str] = set()
    for label, number in found:
        if f":{label}" not in known:
            continue  # it is code
        if label in seen or known[f":{label}"] < 0:
            reason = "is there twice" if label in seen else "would be lost: nothing refers to it"
            raise InvalidInput(
                f'the footnote "[^{label}]" {reason}.',
                where=document.notes.where(number),
                hint="Write [^label] where the footnote belongs, or write its text in the sentence.",
            )
        seen.add(label)


def _check_depth(document: Document) -> None:
    for token in document.tokens:
        depth = token.level
        for child in token.children or ():
            depth += child.nesting
            if depth > MAX_NESTING:
                break
        if depth > MAX_NESTING:
            raise _too_deep(document.notes.where(token.map[0] if token.map else 0))


def _too_deep(where: str) -> InvalidInput:
    return InvalidInput(
        "lists, quotes or emphasis are nested too deeply.",
        where=where,
        hint=f"The limit is {MAX_NESTING} levels.",
    )


def _check_image(source: str, hosts: Collection[str], where: str) -> None:
    if not source:
        raise InvalidInput(
            "the image has no address.",
            where=where,
            hint="Write the name of its file, or leave the image out.",
        )
    url = _split(source, where)
    if not url.scheme and not url.netloc:
        return
    if url.scheme == "https" and url.hostname in hosts:
        return
    raise InvalidInput(
        f'the image "{_shorten(source)}" may not be fetched: its host would learn who reads the mail.',
        where=where,
        hint="Save the image beside the notes and use its file name, or add the host to image_hosts. "
        "--remote-images link (or omit) makes links of such images, or leaves them out.",
    )


def _absolute_address(href: str, base_url: str | None, where: str) -> str:
    """The absolute address of a link. Raises InvalidInput if it has none or its scheme is not allowed."""
    url = _split(href, where)
    if url.scheme in {"https", "http"} and url.hostname and "%" not in url.hostname:
        return href
    if url.scheme in {"mailto", "tel"} and url.path:
        return href
    if href and not url.scheme and base_url:
        return _absolute_address(_join(base_url, href), None, where)
    if url.scheme or not href:
        raise InvalidInput(
            f'the link "{_shorten(href)}" does not work in a mail.',
            where=where,
            hint="A link starts with https:// or mailto:.",
        )
    raise InvalidInput(
        f'the link "{_shorten(href)}" is relative, which does not work in a mail.',
        where=where,
        hint="Write the whole address, or set base_url to the address that relative links start from, or repository.",
    )


def _join(base_url: str, href: str) -> str:
    try:
        return urljoin(base_url, href)
    except ValueError:
        raise InvalidInput(f'"{_shorten(base_url)}" is not a web address.', where="base_url") from None


def _split(url: str, where: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise InvalidInput(f'"{_shorten(url)}" is not a web address.', where=where) from None


def _shorten(url: str) -> str:
    return url if len(url) <= _MAX_SHOWN_CHARACTERS else f"{url[:_MAX_SHOWN_CHARACTERS]}..."


def _shift_headings(tokens: list[Token]) -> None:
    """Shift all headings so that the highest one is h2, the level below the mail's title."""
    headings = [token for token in tokens if token.type in {"heading_open", "heading_close"}]
    highest = min((int(token.tag[1]) for token in headings), default=TOP_HEADING)
    for token in headings:
        token.tag = f"h{min(int(token.tag[1]) - highest + TOP_HEADING, 6)}"


def _translate_alert_titles(document: Document) -> None:
    """Write the keyword of an alert, such as ``[!NOTE]``, in the language of the mail."""
    texts = load_texts(document.notes.locale)["mail"]
    for opening, title in pairwise(document.tokens):
        kind = title.content.lower()
        if opening.type == "alert_title_open" and kind in _ALERTS:
            title.children = [Token("text", "", 0, content=texts[f"alert_{kind}"])]
