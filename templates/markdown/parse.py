"""Release notes' Markdown, parsed and judged: what comes out of here may stand in a mail.

CommonMark with GitHub's tables, task lists, strikethrough, alerts and bare links. Whatever can't be mailed as it
is (a link that leads nowhere from a mailbox, an image from a host that is not allowed, nesting that no reader
and no MJML parser survives) is refused with file and line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

from mailer.errors import InvalidInput
from templates.language import texts_of
from templates.markdown.rules import extend
from templates.notes import ReleaseNotes

LONGEST_BODY = 100_000
DEEPEST = 40
MARKER = "__slot_"
TOP_HEADING = 2  # the mail's title is the one h1
_ALERTS = frozenset({"note", "tip", "important", "warning", "caution"})
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed body. Its headings begin at h2, its links are absolute."""

    tokens: list[Token]
    notes: ReleaseNotes

    def images(self) -> Iterator[tuple[str, str]]:
        """Each image's source, and where it stands in the file."""
        for token, where in self.inline():
            if token.type == "image":
                yield str(token.attrs["src"]), where

    def local_images(self) -> dict[str, str]:
        """The images that lie beside the notes: the file's name as written, and where it stands."""
        return {unquote(source): where for source, where in self.images() if not urlsplit(source).scheme}

    def inline(self) -> Iterator[tuple[Token, str]]:
        """Each token inside a paragraph, heading or cell, and where it stands in the file."""
        for token in self.tokens:
            line = token.map[0] if token.map else 0
            for child in token.children or ():
                line += child.type in {"softbreak", "hardbreak"}
                yield child, self.notes.where(line)


def parser() -> MarkdownIt:
    """The dialect. Links are not judged here: a refusal should say more than leaving them out."""
    options: dict[str, Any] = {
        "html": True,
        "tasklists": True,
        "alerts": True,
        "store_labels": True,
        "xhtmlOut": True,
        "maxNesting": 4 * DEEPEST,
    }
    markdown = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    markdown.validateLink = lambda url: True  # type: ignore[method-assign]  # noqa: ARG005
    extend(markdown)
    return markdown


def parse_notes(notes: ReleaseNotes, *, image_hosts: Collection[str] = ()) -> Document:
    """The body of `notes` as tokens. `image_hosts` are the hosts that images may be fetched from.

    Raises InvalidInput, with file and line, for what a mail can't carry.
    """
    if len(notes.body) > LONGEST_BODY:
        raise InvalidInput(
            f"the text has {len(notes.body)} characters; a mail takes {LONGEST_BODY}.",
            where=notes.origin,
            hint="Mail providers cut off long before. Say what matters and link to the rest.",
        )
    _refuse_markers(notes)
    environment: dict[str, Any] = {}
    try:
        document = Document(parser().parse(notes.body, environment), notes)
    except RecursionError:
        raise _too_deep(notes.origin) from None
    _refuse_lost_footnotes(environment, notes)
    _check_depth(document)
    for source, where in document.images():
        _check_image(source, image_hosts, where)
    for token, where in document.inline():
        if token.type == "link_open":
            token.attrs["href"] = _address(str(token.attrs["href"]), notes.base_url, where)
    _level_headings(document.tokens)
    _name_alerts(document)
    return document


def _refuse_markers(notes: ReleaseNotes) -> None:
    """The marks that stand for a recipient's data in the finished mail may not come from outside."""
    if any(MARKER in (line or "") for line in (notes.title, notes.preheader, notes.version)):
        raise marker_refused(notes.origin)
    for number, line in enumerate(notes.body.splitlines()):
        if MARKER in line:
            raise marker_refused(notes.where(number))


def marker_refused(where: str) -> InvalidInput:
    """The error for notes that hold, or on being rendered make, the mark of a slot."""
    return InvalidInput(
        f'the text holds "{MARKER}", which is how a mail marks the place of a recipient\'s data.',
        where=where,
        hint="Write it another way.",
    )


def _refuse_lost_footnotes(environment: dict[str, Any], notes: ReleaseNotes) -> None:
    """Markdown reads ``[^1]: word`` as the address of a link and shows it nowhere."""
    for label, reference in environment.get("references", {}).items():
        if label.startswith("^"):
            raise InvalidInput(
                f'the footnote "[{label.lower()}]" would be lost.',
                where=notes.where(reference["map"][0]),
                hint="A mail has no footnotes; say it in the sentence, or in brackets.",
            )


def _check_depth(document: Document) -> None:
    for token in document.tokens:
        depth = token.level
        for child in token.children or ():
            depth += child.nesting
            if depth > DEEPEST:
                break
        if depth > DEEPEST:
            raise _too_deep(document.notes.where(token.map[0] if token.map else 0))


def _too_deep(where: str) -> InvalidInput:
    return InvalidInput(
        "lists, quotes or emphasis are nested too deeply.",
        where=where,
        hint=f"A mail takes {DEEPEST} levels; nobody reads more than three.",
    )


def _check_image(source: str, hosts: Collection[str], where: str) -> None:
    url = _split(source, where)
    if not url.scheme and not url.netloc:
        return
    if url.scheme == "https" and url.hostname in hosts:
        return
    raise InvalidInput(
        f'the image "{_shortened(source)}" may not be fetched: a mail tells the host of its images who reads it.',
        where=where,
        hint="Save the image next to the notes and use its file name, or add the host to image_hosts.",
    )


def _address(href: str, base_url: str | None, where: str) -> str:
    """The absolute address of a link, or a refusal."""
    url = _split(href, where)
    if url.scheme in {"https", "http"} and url.hostname and "%" not in url.hostname:
        return href
    if url.scheme in {"mailto", "tel"} and url.path:
        return href
    if href and not url.scheme and base_url:
        return _address(_joined(base_url, href), None, where)
    if url.scheme or not href:
        raise InvalidInput(
            f'the link "{_shortened(href)}" can\'t stand in a mail.',
            where=where,
            hint="Links begin with https:// or mailto:.",
        )
    raise InvalidInput(
        f'the link "{_shortened(href)}" leads nowhere from a mail.',
        where=where,
        hint="Write the whole address, or give the address that relative links start from as base_url.",
    )


def _joined(base_url: str, href: str) -> str:
    try:
        return urljoin(base_url, href)
    except ValueError:
        raise InvalidInput(f'"{_shortened(base_url)}" is not a web address.', where="base_url") from None


def _split(url: str, where: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise InvalidInput(f'"{_shortened(url)}" is not a web address.', where=where) from None


def _shortened(url: str) -> str:
    return url if len(url) <= _SHOWN else f"{url[:_SHOWN]}..."


def _level_headings(tokens: list[Token]) -> None:
    """Close the gap between the mail's title and the notes' first heading level."""
    headings = [token for token in tokens if token.type in {"heading_open", "heading_close"}]
    highest = min((int(token.tag[1]) for token in headings), default=TOP_HEADING)
    for token in headings:
        token.tag = f"h{min(int(token.tag[1]) - highest + TOP_HEADING, 6)}"


def _name_alerts(document: Document) -> None:
    """``[!NOTE]`` is a keyword, not the author's word: it is written in the language of the mail."""
    words = texts_of(document.notes.locale)["mail"]
    for opening, title in pairwise(document.tokens):
        kind = title.content.lower()
        if opening.type == "alert_title_open" and kind in _ALERTS:
            title.children = [Token("text", "", 0, content=words[f"alert_{kind}"])]
