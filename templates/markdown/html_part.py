"""Writes a document as the HTML body of a mail; the mail's template surrounds it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from mailer.errors import InvalidInput
from mailer.message import InlineImage
from templates.language import load_texts
from templates.markdown.image_size import read_image_width
from templates.markdown.parse import SLOT_PREFIX, Document, create_parser, slot_prefix_error

# The kinds of change in Keep a Changelog 1.1.0, with the headings that teams write for them.
# mail/prose.css.j2 has a colour for each.
_CHANGE_KINDS = {
    "added": r"added|new( features?)?|features?( (&|and) improvements)?|toegevoegd|nieuw",
    "changed": r"changed|changes?|improve(d|ments?)|enhancements?|performance( improvements)?|refactor(ing)?|gewijzigd|veranderd|verbeterd|verbeteringen",
    "deprecated": r"deprecated|deprecations?|verouderd|vervalt",
    "removed": r"removed|removals?|deprecations? and removals?|verwijderd|vervallen",
    "fixed": r"fixed|(bug ?)?fix(es)?|opgelost|hersteld|gerepareerd",
    "security": r"security( fixes)?|veiligheid|beveiliging",
    "breaking": r"(highlights of )?breaking( changes?)?|backwards?[- ]incompatible( changes?)?|let op",
}
CHANGE_KINDS = frozenset(_CHANGE_KINDS)

_CELL_CHARACTERS, _MIN_CELL_CHARACTERS = 30, 4  # in a row, and in a cell, on a phone of 360 pixels
_DENSE_COLUMNS = 5  # a table with this many columns gets small letters and narrow gaps
_COLUMN_PIXELS = 520  # the width between the margins; Outlook ignores max-width


def write_html(document: Document, images: Mapping[str, InlineImage]) -> str:
    """Write the body as XHTML, which MJML requires. `images` are those enclosed in the mail, by their source.

    Raises InvalidInput if the notes use an image that `images` does not hold.
    """
    for source, where in document.local_images().items():
        if source not in images:
            raise InvalidInput(f'the image "{source}" was not found.', where=where)
    markdown = create_parser()
    environment = {"images": images, "texts": load_texts(document.notes.locale)["mail"]}
    html = _Writer(markdown).render(document.tokens, markdown.options, environment)
    if SLOT_PREFIX in html:
        raise slot_prefix_error(document.notes.origin)
    return html


def classify_heading(heading: str) -> str | None:
    """The kind of change that a heading names, or None. Emoji and punctuation are ignored."""
    words = re.sub(r"^\W+|\W+$", "", heading).casefold()
    return next((kind for kind, pattern in _CHANGE_KINDS.items() if re.fullmatch(pattern, words)), None)


class _Writer(RendererHTML):
    """markdown-it's renderer, adapted to mail. Each method is named after the token type that it renders."""

    def heading_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        kind = classify_heading(tokens[idx + 1].content)
        opening = self.renderToken(tokens, idx, options, env)
        return f'{opening}<span class="kind {kind}">' if kind else opening

    def heading_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        closing = self.renderToken(tokens, idx, options, env)
        return f"</span>{closing}" if classify_heading(tokens[idx - 1].content) else closing

    def list_item_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        checked = tokens[idx].meta.get("checked")
        if checked is None:
            return self.renderToken(tokens, idx, options, env)
        key, sign = ("done", "☑") if checked else ("open", "☐")
        label = escapeHtml(env["texts"][key])
        return (
            f'<li class="task"><span role="img" aria-label="{label}">{sign}\N{VARIATION SELECTOR-15}</span> '
        )

    def alert_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        return f'<div class="alert {escapeHtml(tokens[idx].meta["kind"].lower())}">\n'

    def alert_title_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        return '<p class="alert-title">'

    def text(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        return _breakable(tokens[idx].content, env)

    def code_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        return f"<code>{_breakable(tokens[idx].content, env)}</code>"

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        row = tokens[idx : next(i for i in range(idx, len(tokens)) if tokens[i].type == "tr_close")]
        columns = sum(token.type in {"th_open", "td_open"} for token in row)
        env["longest_in_cell"] = max(_CELL_CHARACTERS // max(columns, 1), _MIN_CELL_CHARACTERS)
        dense = ' class="dense"' if columns >= _DENSE_COLUMNS else ""
        return f'<div class="scroll"><table{dense}>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        env.pop("longest_in_cell", None)
        return "</table></div>\n"

    def footnote_ref(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        return f"<sup>{tokens[idx].meta['id'] + 1}</sup>"

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        token = tokens[idx]
        attributes = {"src": str(token.attrs["src"])}
        if not urlsplit(attributes["src"]).scheme:
            image: InlineImage = env["images"][unquote(attributes["src"])]
            attributes["src"] = f"cid:{image.content_id}"
            width = token.meta.get("width") or read_image_width(image.data)
        else:
            width = token.meta.get("width")
        if width:
            attributes["width"] = str(min(width, _COLUMN_PIXELS))
        attributes["alt"] = _one_line(self.renderInlineAsText(token.children, options, env))
        return self.renderToken([Token("image", "img", 0, attrs={**attributes})], 0, options, env)

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        attributes: dict[str, Any] = tokens[idx].attrs
        if "title" in attributes:
            attributes["title"] = _one_line(str(attributes["title"]))
        return self.renderToken(tokens, idx, options, env)

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        return f"<pre><code>{escapeHtml(tokens[idx].content)}</code></pre>\n"


def _breakable(text: str, env: EnvType) -> str:
    """The text escaped, in a table with places to break words that are too long for a phone.

    Mail clients drop the styles that say so.
    """
    longest = env.get("longest_in_cell")
    if longest is None:
        return escapeHtml(text)
    parts = re.split(rf"(\S{{{longest}}}(?=\S))", text)
    return "".join(escapeHtml(part) + ("<wbr/>" if index % 2 else "") for index, part in enumerate(parts))


def _one_line(value: str) -> str:
    return " ".join(value.split())
