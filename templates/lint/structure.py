"""Reads how the HTML of a mail is built and painted: language, headings, tables, contrast, and what mail programs drop."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from templates.brand import contrast_ratio
from templates.html_reader import VOID_TAGS

_DROPPED_TAGS = frozenset(
    {
        "svg",
        "canvas",
        "picture",
        "details",
        "dialog",
        "math",
        "blink",
        "marquee",
        "template",
        "slot",
        "select",
        "progress",
        "meter",
    }
)
_DROPPED_STYLES = (
    ("position", re.compile(r"(?<![\w-])position\s*:\s*(?:absolute|fixed|sticky|relative)")),
    ("display: flex or grid", re.compile(r"(?<![\w-])display\s*:\s*(?:inline-)?(?:flex|grid)")),
    ("transform", re.compile(r"(?<![\w-])transform\s*:(?!\s*none)")),
    ("filter", re.compile(r"(?<![\w-])filter\s*:\s*(?!alpha|progid|none)")),
    ("clip-path", re.compile(r"(?<![\w-])clip-path\s*:")),
    ("var()", re.compile(r"\bvar\(\s*--")),
    ("calc()", re.compile(r"\bcalc\(")),
    ("min(), max() or clamp()", re.compile(r"(?<![\w-])(?:min|max|clamp)\(")),
    ("aspect-ratio", re.compile(r"(?<![\w-])aspect-ratio\s*:")),
    ("object-fit", re.compile(r"(?<![\w-])object-fit\s*:")),
    ("gap", re.compile(r"(?<![\w-])(?:row-|column-)?gap\s*:")),
    ("mix-blend-mode", re.compile(r"(?<![\w-])mix-blend-mode\s*:")),
    ("animation", re.compile(r"(?<![\w-])animation(?:-name)?\s*:|@keyframes\b")),
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


class StructureListener:
    """Gathers how the HTML is built while it is read. Colours count where they are inline, as in finished mails."""

    def __init__(self) -> None:
        self.found = Structure()
        self._paints = [_Paint()]
        self._tables: list[bool] = []  # for each open table without a role: whether it has a header cell
        self._judged: set[tuple[str | None, str | None, bool]] = set()

    def opened(self, tag: str, attributes: dict[str, str]) -> None:
        style = attributes.get("style", "").lower()
        if style:
            self.found.dropped_styles.update(_dropped_styles(style))
        if tag in _DROPPED_TAGS:
            self.found.dropped_tags.add(tag)
        match tag:
            case "html":
                self.found.lang = attributes.get("lang", "")
            case "h1" | "h2" | "h3" | "h4" | "h5" | "h6":
                self.found.headings.append((int(tag[1]), ""))
            case "table":
                self._tables.append(attributes.get("role") in {"presentation", "none"})
            case "th" if self._tables:
                self._tables[-1] = True
            case _:
                pass
        if tag not in VOID_TAGS and len(self._paints) < _DEEPEST:
            ground = attributes.get("bgcolor", "").lower()
            self._paints.append(_painted(self._paints[-1], tag, style, ground))

    def closed(self, tag: str) -> None:
        if tag == "table" and self._tables:
            self.found.bare_tables += not self._tables.pop()
        depth = next((i for i in range(len(self._paints) - 1, 0, -1) if self._paints[i].tag == tag), 0)
        if depth:
            del self._paints[depth:]

    def said(self, text: str, *, is_style: bool) -> None:
        if is_style:
            self.found.dropped_styles.update(_dropped_styles(text.lower()))
            return
        paint = self._paints[-1]
        if paint.is_hidden or paint.size <= 1 or paint.tag in {"title", "script"}:
            return
        if paint.is_heading and self.found.headings:
            level, words = self.found.headings[-1]
            self.found.headings[-1] = level, words + text
        self._judge(text, paint)

    def commented(self, text: str) -> None:
        """Comments are not judged: Outlook's branches repeat what all see."""

    def _judge(self, text: str, paint: _Paint) -> None:
        is_large = paint.size >= _LARGE or (paint.is_bold and paint.size >= _LARGE_BOLD)
        judged = (paint.foreground, paint.background, is_large)
        if judged in self._judged or None in judged or len(self.found.faint) >= _MOST:
            return
        if not re.search(r"\w", text):
            return
        self._judged.add(judged)
        foreground, background = str(paint.foreground), str(paint.background)
        ratio = contrast_ratio(foreground, background)
        if ratio < (_CONTRAST_OF_LARGE if is_large else _CONTRAST):
            self.found.faint.append(FaintText(" ".join(text.split())[:40], foreground, background, ratio))


@lru_cache(maxsize=1_024)  # a mail has few different styles, each many times
def _dropped_styles(source: str) -> frozenset[str]:
    return frozenset(name for name, pattern in _DROPPED_STYLES if pattern.search(source))


@lru_cache(maxsize=4_096)  # as above
def _painted(above: _Paint, tag: str, style: str, ground: str) -> _Paint:
    given = dict(_DECLARATION.findall(style))
    foreground, background, size = above.foreground, above.background, above.size
    if "color" in given:
        foreground = _colour(given["color"], above.foreground)
    if ground:
        background = _colour(ground, above.background)
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
