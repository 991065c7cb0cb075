"""A mail's HTML read as a mail reader would: its links and images, what it would fetch, what it would run."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_ACTIVE = frozenset(
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
_FETCHED = frozenset({"src", "srcset", "background", "poster", "data"})
_CODE = frozenset({"code", "pre", "kbd", "samp", "style", "title"})
_CSS_FETCH = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", re.IGNORECASE)
_CONDITIONAL = re.compile(r"\[if [^\]]*\]>(.*?)(?:<!\[endif\]|$)", re.DOTALL)


@dataclass(slots=True)
class Link:
    """A link; `words` are its text and its images' descriptions."""

    href: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """An image; `is_pixel` if it is there but not to be seen."""

    source: str
    alt: str
    is_pixel: bool


@dataclass(slots=True)
class MailReader:
    """What was found. `prose` is the text without code; `active` names tags and attributes that run.

    `preheader` is the first text that is hidden, which an inbox shows after the subject.
    """

    links: list[Link] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    active: list[str] = field(default_factory=list)
    prose: str = ""
    preheader: str = ""


def read(html: str) -> MailReader:
    """Read `html`, also what it keeps in comments for Outlook."""
    found = MailReader()
    _Parser(found).feed(html)
    for link in found.links:
        link.words = " ".join(link.words.split())
    return found


class _Parser(HTMLParser):
    def __init__(self, found: MailReader) -> None:
        super().__init__()
        self._found = found
        self._link: Link | None = None
        self._code = 0
        self._in_preheader = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in _ACTIVE or (
            tag == "meta" and "http-equiv" in values and values["http-equiv"].lower() == "refresh"
        ):
            self._found.active.append(f"<{tag}>")
        self._found.active += [f"{name}=" for name in values if name.startswith("on")]
        self._found.loaded += [
            url for name in _FETCHED & values.keys() for url in _sources(name, values[name])
        ]
        self._found.loaded += _in_css(values.get("style", ""))
        self._code += tag in _CODE
        match tag:
            case "a" if "href" in values:
                self._link = Link(values["href"].strip())
                self._found.links.append(self._link)
            case "img":
                self._image(values)
            case "div" if not self._found.preheader and "display:none" in _squeezed(values):
                self._in_preheader = True
            case "link":
                self._found.loaded.append(values.get("href", ""))
            case _:
                pass

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in _CODE and self._code > 0
        match tag:
            case "a":
                self._link = None
            case "div":
                self._in_preheader = False
            case _:
                pass

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "style":
            self._found.loaded += _in_css(data)
        elif not self._code:
            self._found.prose += data
        if self._link:
            self._link.words += data
        if self._in_preheader:
            self._found.preheader += data

    def handle_comment(self, data: str) -> None:
        for conditional in _CONDITIONAL.findall(data):
            _Parser(self._found).feed(conditional)

    def _image(self, values: dict[str, str]) -> None:
        style = _squeezed(values)
        sizes = {values.get("width"), values.get("height")}
        is_pixel = bool(sizes & {"0", "1"}) or bool(
            re.search(r"display:none|(?<![-\w])(?:width|height):[01]px", style)
        )
        self._found.images.append(Image(values.get("src", ""), values.get("alt", ""), is_pixel))
        if self._link:
            self._link.words += values.get("alt", "")


def _squeezed(values: dict[str, str]) -> str:
    """An element's style without blanks."""
    return values.get("style", "").replace(" ", "")


def _sources(attribute: str, value: str) -> list[str]:
    if attribute == "srcset":
        return [candidate.split()[0] for candidate in value.split(",") if candidate.strip()]
    return [value.strip()]


def _in_css(source: str) -> list[str]:
    return [url or imported for url, imported in _CSS_FETCH.findall(source)]
