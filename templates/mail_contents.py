"""Reads the HTML of a mail: links, images, fetched URLs and active content."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from templates.html_reader import read_html

_ACTIVE_TAGS = frozenset(
    {
        "script",
        "form",
        "iframe",
        "frame",
        "object",
        "embed",
        "applet",
        "input",
        "button",
        "textarea",
        "base",
        "audio",
        "video",
    }
)
_BLOCK_TAGS = frozenset({"p", "div", "li", "td", "th", "dt", "dd", "pre", "h1", "h2", "h3", "h4", "h5", "h6"})
_FETCHING_ATTRIBUTES = frozenset({"src", "srcset", "background", "poster", "data"})
_CODE_TAGS = frozenset({"code", "pre", "kbd", "samp", "style", "title"})
_CSS_FETCH = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", re.IGNORECASE)
_CONDITIONAL = re.compile(r"\[if [^\]]*\]>(.*?)(?:<!\[endif\]|$)", re.DOTALL)


@dataclass(slots=True)
class Link:
    """A link; `text` holds its words and the descriptions of its images."""

    href: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """An image; `is_pixel` if it is invisible or at most one pixel wide or high."""

    source: str
    alt: str
    is_pixel: bool


@dataclass(slots=True)
class MailContents:
    """What the HTML contains.

    `fetched_urls` are those that a mail program fetches by itself, `active` names the tags and attributes
    that run something, `prose` is the text without code, `code` the rest of the text, and `preheader` the first hidden
    text, which an inbox shows after the subject. `ids` are those that a link within the mail can lead to.
    """

    links: list[Link] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    fetched_urls: list[str] = field(default_factory=list)
    active: list[str] = field(default_factory=list)
    prose: str = ""
    code: str = ""
    ids: set[str] = field(default_factory=set)
    preheader: str = ""


def read_mail_html(html: str) -> MailContents:
    """Read `html`, including the conditional comments for Outlook."""
    listener = ContentsListener()
    read_html(html, listener)
    return listener.contents()


class ContentsListener:
    """Gathers what the HTML contains while it is read."""

    def __init__(self, found: MailContents | None = None) -> None:
        self._found = found or MailContents()
        self._link: Link | None = None
        self._code_depth = 0
        self._in_preheader = False
        self._prose: list[str] = []
        self._code: list[str] = []

    def contents(self) -> MailContents:
        """What was found, once all is read."""
        self._found.prose += "".join(self._prose)
        self._found.code += "".join(self._code)
        for link in self._found.links:
            link.text = " ".join(link.text.split())
        return self._found

    def opened(self, tag: str, attributes: dict[str, str]) -> None:
        if "id" in attributes:
            self._found.ids.add(attributes["id"])
        if tag in _ACTIVE_TAGS or (tag == "meta" and attributes.get("http-equiv", "").lower() == "refresh"):
            self._found.active.append(f"<{tag}>")
        self._note_attributes(attributes)
        self._code_depth += tag in _CODE_TAGS
        match tag:
            case "a" if "href" in attributes:
                self._link = Link(attributes["href"].strip())
                self._found.links.append(self._link)
            case "img":
                self._image(attributes)
            case "div" if not self._found.preheader and "display:none" in _style_without_spaces(attributes):
                self._in_preheader = True
            case "link":
                self._found.fetched_urls.append(attributes.get("href", ""))
            case _:
                pass

    def _note_attributes(self, attributes: dict[str, str]) -> None:
        for name, value in attributes.items():
            if name.startswith("on"):
                self._found.active.append(f"{name}=")
            elif name in _FETCHING_ATTRIBUTES:
                self._found.fetched_urls += _urls_in_attribute(name, value)
            elif name == "style":
                self._found.fetched_urls += _urls_in_css(value)

    def closed(self, tag: str) -> None:
        if tag in _BLOCK_TAGS:
            self._prose.append("\n")
        self._code_depth -= tag in _CODE_TAGS and self._code_depth > 0
        match tag:
            case "a":
                self._link = None
            case "div":
                self._in_preheader = False
            case _:
                pass

    def said(self, text: str, *, is_style: bool) -> None:
        if is_style:
            self._found.fetched_urls += _urls_in_css(text)
        else:
            (self._code if self._code_depth else self._prose).append(text)
        if self._link:
            self._link.text += text
        if self._in_preheader:
            self._found.preheader += text

    def commented(self, text: str) -> None:
        for conditional in _CONDITIONAL.findall(text):
            inner = ContentsListener(self._found)
            read_html(conditional, inner)
            inner.contents()

    def _image(self, values: dict[str, str]) -> None:
        style = _style_without_spaces(values)
        sizes = {values.get("width"), values.get("height")}
        is_pixel = bool(sizes & {"0", "1"}) or bool(
            re.search(r"display:none|(?<![-\w])(?:width|height):[01]px", style)
        )
        self._found.images.append(Image(values.get("src", ""), values.get("alt", ""), is_pixel))
        if self._link:
            self._link.text += values.get("alt", "")


def _style_without_spaces(values: dict[str, str]) -> str:
    return values.get("style", "").replace(" ", "")


def _urls_in_attribute(attribute: str, value: str) -> list[str]:
    if attribute == "srcset":
        return [candidate.split()[0] for candidate in value.split(",") if candidate.strip()]
    return [value.strip()]


def _urls_in_css(source: str) -> list[str]:
    if "(" not in source and "@" not in source:
        return []
    return [url or imported for url, imported in _CSS_FETCH.findall(source)]
