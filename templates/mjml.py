"""Compiles MJML to HTML: checks the tags, which mrml does not do, compiles, and inlines the styles."""

from __future__ import annotations

import re
from pathlib import Path

from css_inline import CSSInliner
from mjml import mjml2html

from mailer.errors import TemplateError
from templates.environment import read_template_source

PARTS = "mail/parts.mjml.j2"  # the parts that all themes share
_TAGS = frozenset(
    """
    mjml mj-accordion mj-accordion-element mj-accordion-text mj-accordion-title mj-all mj-attributes mj-body
    mj-breakpoint mj-button mj-carousel mj-carousel-image mj-class mj-column mj-divider mj-font mj-group mj-head
    mj-hero mj-image mj-include mj-navbar mj-navbar-link mj-preview mj-raw mj-section mj-social mj-social-element
    mj-spacer mj-style mj-table mj-text mj-title mj-wrapper
    """.split()  # noqa: SIM905 - read as a list of words
)
_VOID_TAGS = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)
_TAG = re.compile(
    r"<!--.*?-->|<(?P<closing>/?)(?P<name>[a-zA-Z][^\s/>]*+)(?:\"[^\"]*\"|'[^']*'|[^'\">])*+>", re.DOTALL
)
_OPENING_TAG = re.compile(r"<[a-zA-Z][^<>]*>")
_LINE_BREAK_BETWEEN_TAGS = re.compile(
    r">\s*\n\s*(?=<(?:a|abbr|b|code|del|em|i|img|ins|kbd|mark|q|s|samp|small|span|strong|sub|sup|u)\b)"
)
# MJML hides the preheader, and makes it white and a pixel high as well, which spam filters count.
_PREHEADER = re.compile(r'(?<=<div style=")display: ?none;[^"]*(?=">)')
_HIDDEN = "display:none;max-height:0px;max-width:0px;opacity:0;overflow:hidden;mso-hide:all;"
_ARTICLE, _MAIN = 'role="article"', 'role="main"'  # what is read aloud belongs to a landmark
_NOT_ASCII_OR_BACKSLASH = re.compile(r"[^\x00-\x7f]|\\")


def compile_mjml(source: str, *, template: str, css: str, templates_dir: Path | None = None) -> str:
    """Compile `source`, the rendered MJML of `template`, and inline `css`.

    Raises TemplateError with the template's file and line for a tag that is unknown, unclosed or closed
    twice.
    """
    _TagChecker(source, template, templates_dir).check()
    try:
        html = mjml2html(_work_around_mrml(source), fonts={})
    except ValueError as error:
        raise TemplateError(f"{template}: the MJML compiler reports: {error}.") from None
    inliner = CSSInliner(
        inline_style_tags=False, keep_style_tags=True, load_remote_stylesheets=False, extra_css=css
    )
    html = _PREHEADER.sub(_HIDDEN, html, count=1)
    return inliner.inline(html.replace(_ARTICLE, _MAIN, 1))


def _work_around_mrml(source: str) -> str:
    """Rewrite MJML to avoid two defects of mrml 6.0.1.

    It drops a line break between two inline tags. In attributes it corrupts backslashes and characters such
    as combining marks, unless they are written as numeric character references.
    """
    return _OPENING_TAG.sub(_encode_as_ascii, _LINE_BREAK_BETWEEN_TAGS.sub("> ", source))


def _encode_as_ascii(tag: re.Match[str]) -> str:
    return _NOT_ASCII_OR_BACKSLASH.sub(lambda character: f"&#{ord(character[0])};", tag[0])


class _TagChecker:
    """Finds tags without a pair and tags that MJML does not have.

    It reads by a regular expression: the standard library's parser takes as long as the whole rendering does.
    """

    def __init__(self, source: str, template: str, templates_dir: Path | None) -> None:
        self._source = source
        self._template = template
        self._templates_dir = templates_dir
        self._open: list[tuple[str, int]] = []  # names, and where they begin

    def check(self) -> None:
        for tag in _TAG.finditer(self._source):
            if name := tag["name"]:
                self._check(name.lower(), tag)
        if self._open:
            name, start = self._open[-1]
            raise self._error(start, f"<{name}> is never closed")

    def _check(self, name: str, tag: re.Match[str]) -> None:
        if tag["closing"]:
            if not self._open or self._open[-1][0] != name:
                opened = f", but <{self._open[-1][0]}> is open" if self._open else ""
                raise self._error(tag.start(), f"</{name}> closes nothing{opened}")
            self._open.pop()
            return
        if name.startswith("mj") and name not in _TAGS:
            raise self._error(tag.start(), f"MJML has no <{name}>")
        if name not in _VOID_TAGS and not tag[0].endswith("/>"):
            self._open.append((name, tag.start()))

    def _error(self, start: int, message: str) -> TemplateError:
        """The error with the template's line, or with the rendered line if the template has no such line."""
        line = self._source.count("\n", 0, start) + 1
        text = self._source.splitlines()[line - 1].strip()
        template_source, file = read_template_source(self._template, templates_dir=self._templates_dir)
        for source, found_in in (
            (template_source, file),
            read_template_source(PARTS, templates_dir=self._templates_dir),
        ):
            lines = [number for number, row in enumerate(source.splitlines(), 1) if row.strip() == text]
            if lines:
                return TemplateError(f"{found_in}, line {lines[0]}: {message}.")
        return TemplateError(f"{file}: {message}, in line {line} of the rendered MJML: {text[:100]}")
