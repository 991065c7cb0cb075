"""MJML to HTML: checked first, for mrml lets much pass, then the styles set inline where mail readers want them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from css_inline import CSSInliner
from mjml import mjml2html

from mailer.errors import TemplateError
from templates.environment import source_of

_TAGS = frozenset(
    """
    mjml mj-accordion mj-accordion-element mj-accordion-text mj-accordion-title mj-all mj-attributes mj-body
    mj-breakpoint mj-button mj-carousel mj-carousel-image mj-class mj-column mj-divider mj-font mj-group mj-head
    mj-hero mj-image mj-include mj-navbar mj-navbar-link mj-preview mj-raw mj-section mj-social mj-social-element
    mj-spacer mj-style mj-table mj-text mj-title mj-wrapper
    """.split()  # noqa: SIM905 - read as a list of words
)
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)
_OPENING_TAG = re.compile(r"<[a-zA-Z][^<>]*>")
_LOST_SPACE = re.compile(
    r">\s*\n\s*(?=<(?:a|abbr|b|code|del|em|i|img|ins|kbd|mark|q|s|samp|small|span|strong|sub|sup|u)\b)"
)
_UNSAFE = re.compile(r"[^\x00-\x7f]|\\")


def to_html(source: str, *, template: str, css: str, templates_dir: Path | None = None) -> str:
    """The HTML of a filled MJML `template`, with `css` set inline.

    Raises TemplateError with the template's file and line where a tag is unknown, unclosed or closed twice.
    """
    _Checker(source, template, templates_dir).check()
    try:
        html = mjml2html(_past_traps(source), fonts={})
    except ValueError as error:
        raise TemplateError(f"{template}: MJML says {error}.") from None
    inliner = CSSInliner(
        inline_style_tags=False, keep_style_tags=True, load_remote_stylesheets=False, extra_css=css
    )
    return inliner.inline(html)


def _past_traps(source: str) -> str:
    """The same MJML, written so that mrml 6.0.1 leaves it whole.

    It drops a line break between two words that stand in tags, and it spoils backslashes, combining marks and
    the like in attributes, though not where they are written as numbers.
    """
    return _OPENING_TAG.sub(_in_ascii, _LOST_SPACE.sub("> ", source))


def _in_ascii(tag: re.Match[str]) -> str:
    return _UNSAFE.sub(lambda character: f"&#{ord(character[0])};", tag[0])


class _Checker(HTMLParser):
    """Finds the tags that do not pair up or that MJML does not know."""

    def __init__(self, source: str, template: str, templates_dir: Path | None) -> None:
        super().__init__()
        self._source = source
        self._template = template
        self._templates_dir = templates_dir
        self._open: list[tuple[str, int]] = []

    def check(self) -> None:
        self.feed(self._source)
        self.close()
        if self._open:
            tag, line = self._open[-1]
            raise self._error(line, f"<{tag}> is never closed")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        line, _ = self.getpos()
        if tag.startswith("mj") and tag not in _TAGS:
            raise self._error(line, f"MJML has no <{tag}>")
        if tag not in _VOID:
            self._open.append((tag, line))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        line, _ = self.getpos()
        if not self._open or self._open[-1][0] != tag:
            opened = f", but <{self._open[-1][0]}> is open" if self._open else ""
            raise self._error(line, f"</{tag}> closes nothing{opened}")
        self._open.pop()

    def _error(self, line: int, message: str) -> TemplateError:
        """Says where: in the template, if the line stands there as it was filled in."""
        text = self._source.splitlines()[line - 1].strip()
        written, file = source_of(self._template, templates_dir=self._templates_dir)
        lines = [number for number, row in enumerate(written.splitlines(), 1) if row.strip() == text]
        if lines:
            return TemplateError(f"{file}, line {lines[0]}: {message}.")
        return TemplateError(f"{file}: {message}, in what became line {line}: {text[:100]}")
