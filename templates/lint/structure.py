"""Reads how the HTML of a mail is built and painted: language, headings, tables, contrast, and what mail programs drop."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from templates.brand import contrast_ratio

_VOID = frozenset({"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})
_DROPPED_TAGS = frozenset(
    {"svg", "canvas", "picture", "details", "dialog", "math", "marquee", "template", "slot"}
)
_DROPPED_STYLES = (
    ("position", re.compile(r"(?<![\w-])position\s*:\s*(?:absolute|fixed|sticky|relative)")),
    ("display: flex or grid", re.compile(r"(?<![\w-])display\s*:\s*(?:inline-)?(?:flex|grid)")),
    ("transform", re.compile(r"(?<![\w-])transform\s*:(?!\s*none)")),
    ("filter", re.compile(r"(?<![\w-])filter\s*:\s*(?!alpha|progid|none)")),
    ("clip-path", re.compile(r"(?<![\w-])clip-path\s*:")),
    ("var()", re.compile(r"\bvar\(\s*--")),
    ("calc()", re.compile(r"\bcalc\(")),
    ("@import", re.compile(r"@import\b")),
    ("@font-face", re.compile(r"@font-face\b")),
)
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|opacity\s*:\s*0(?:\.0+)?\s*(?:;|$)"
)
_DECLARATION = re.compile(
    r"(?:^|;)\s*(color|background-color|background|font-size|font-weight)\s*:\s*([^;]+)"
)
_NAMED = {
    "white": "#ffffff",
    "black": "#000000",
    "red": "#ff0000",
    "gray": "#808080",
    "grey": "#808080",
    "silver": "#c0c0c0",
}
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_CONTRAST, _CONTRAST_OF_LARGE = 4.5, 3.0  # WCAG 2.2, 1.4.3
_LARGE, _LARGE_BOLD = 24.0, 18.66  # pixels
_MOST = 20  # findings of a kind
_DEEPEST = 300  # elements inside each other; what lies deeper counts as its surroundings


@dataclass(frozen=True, slots=True)
class FaintText:
    """Text with too little contrast."""

    text: str
    foreground: str
    background: str
    ratio: float


@dataclass(slots=True)
class Structure:
    """`headings` are levels and words; `bare_tables` the number of layout tables that screen readers announce."""

    lang: str = ""
    headings: list[tuple[int, str]] = field(default_factory=list)
    faint: list[FaintText] = field(default_factory=list)
    bare_tables: int = 0
    dropped_tags: set[str] = field(default_factory=set)
    dropped_styles: set[str] = field(default_factory=set)


def read_structure(html: str) -> Structure:
    """Read `html` without its comments. Colours count where they are inline, as in finished mails."""
    found = Structure()
    _Parser(found).feed(html)
    return found


@dataclass(frozen=True, slots=True)
class _Paint:
    """How text looks at a place; None where a colour is unknown."""

    tag: str = ""
    foreground: str | None = "#000000"
    background: str | None = "#ffffff"
    size: float = 16.0
    is_bold: bool = False
    is_hidden: bool = False
    is_heading: bool = False


class _Parser(HTMLParser):
    def __init__(self, found: Structure) -> None:
        super().__init__()
        self._found = found
        self._paints = [_Paint()]
        self._tables: list[bool] = []  # for each open table without a role: whether it has a header cell
        self._seen: set[tuple[str | None, str | None]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        style = values.get("style", "").lower()
        self._note_styles(style)
        if tag in _DROPPED_TAGS:
            self._found.dropped_tags.add(tag)
        match tag:
            case "html":
                self._found.lang = values.get("lang", "")
            case "h1" | "h2" | "h3" | "h4" | "h5" | "h6":
                self._found.headings.append((int(tag[1]), ""))
            case "table":
                self._tables.append(values.get("role") in {"presentation", "none"})
            case "th" if self._tables:
                self._tables[-1] = True
            case _:
                pass
        if tag not in _VOID and len(self._paints) < _DEEPEST:
            self._paints.append(_painted(self._paints[-1], tag, style, values))

    def handle_endtag(self, tag: str) -> None:
        if tag == "table" and self._tables:
            self._found.bare_tables += not self._tables.pop()
        depth = next((i for i in range(len(self._paints) - 1, 0, -1) if self._paints[i].tag == tag), 0)
        if depth:
            del self._paints[depth:]

    def handle_data(self, data: str) -> None:
        paint = self._paints[-1]
        if paint.tag == "style":
            self._note_styles(data.lower())
            return
        if not data.strip() or paint.is_hidden or paint.size <= 1 or paint.tag in {"title", "script"}:
            return
        if paint.is_heading and self._found.headings:
            level, words = self._found.headings[-1]
            self._found.headings[-1] = level, words + data
        self._judge(data, paint)

    def _judge(self, data: str, paint: _Paint) -> None:
        pair = (paint.foreground, paint.background)
        if (
            pair in self._seen
            or None in pair
            or not re.search(r"\w", data)
            or len(self._found.faint) >= _MOST
        ):
            return
        is_large = paint.size >= _LARGE or (paint.is_bold and paint.size >= _LARGE_BOLD)
        ratio = contrast_ratio(str(pair[0]), str(pair[1]))
        if ratio < (_CONTRAST_OF_LARGE if is_large else _CONTRAST):
            self._seen.add(pair)
            self._found.faint.append(
                FaintText(" ".join(data.split())[:40], str(pair[0]), str(pair[1]), ratio)
            )

    def _note_styles(self, source: str) -> None:
        self._found.dropped_styles.update(name for name, pattern in _DROPPED_STYLES if pattern.search(source))


def _painted(above: _Paint, tag: str, style: str, values: dict[str, str]) -> _Paint:
    given = dict(_DECLARATION.findall(style))
    foreground, background, size = above.foreground, above.background, above.size
    if "color" in given:
        foreground = _colour(given["color"], above.foreground)
    if "bgcolor" in values:
        background = _colour(values["bgcolor"].lower(), above.background)
    for name in ("background", "background-color"):
        if name in given:
            background = _colour(given[name], above.background)
    if pixels := re.match(r"([\d.]{1,6})px", given.get("font-size", "")):
        size = float(pixels[1]) if pixels[1].count(".") < 2 and pixels[1] != "." else size
    weight = given.get("font-weight", "").strip()
    is_bold = (
        (weight in {"bold", "bolder", "600", "700", "800", "900"})
        if weight
        else above.is_bold or tag in {"b", "strong", "th", "h1", "h2", "h3"}
    )
    is_hidden = above.is_hidden or bool(_HIDDEN.search(style))
    is_heading = above.is_heading or tag in _HEADINGS
    return _Paint(tag, foreground, background, size, is_bold, is_hidden, is_heading)


def _colour(written: str, inherited: str | None) -> str | None:
    """A colour as #rrggbb; None where it is not one, such as a gradient or one that can be seen through."""
    word = written.replace("!important", "").strip()
    if word in {"transparent", "none", "inherit", "initial", "unset"}:
        return inherited
    if re.fullmatch(r"#[0-9a-f]{6}", word):
        return word
    if re.fullmatch(r"#[0-9a-f]{3}", word):
        return "#" + "".join(2 * digit for digit in word[1:])
    if rgb := re.fullmatch(r"rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)", word):
        return "#" + "".join(f"{min(int(part), 255):02x}" for part in rgb.groups())
    return _NAMED.get(word)
