"""Writes a document as the HTML body of a mail; the mail's template surrounds it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import unquote, urlsplit

from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from mailer.errors import InvalidInput
from mailer.message import InlineImage
from templates.language import load_texts
from templates.markdown.buttons import is_button_alone
from templates.markdown.highlight import write_code
from templates.markdown.image_size import read_image_width
from templates.markdown.line_breaks import LINE_CHARACTERS, escape_with_breaks
from templates.markdown.parse import SLOT_PREFIX, Document, create_parser, slot_prefix_error
from templates.markdown.sections import Section, begins_section, classify_heading, read_section
from templates.markdown.table_form import TableForm, TableShape, is_figure, measure_table, read_alignment

_COLUMN_PIXELS = 520  # the width between the margins; Outlook ignores max-width
_ICON_PIXELS = 48  # a narrower image stands in its line of text
_PHONE_PIXELS = (
    200  # a wider image takes its width from the column: where it is not shown, its box would widen the mail
)
_HEADING_CHARACTERS = 16  # of a word in a heading, as LINE_CHARACTERS
_WHOLE_CHARACTERS = 14  # of code that stays on one line
_DARK_SCREEN = "(prefers-color-scheme: dark)"
_ALERT_SIGNS = {"note": "i", "tip": "✓", "important": "!", "warning": "!", "caution": "×"}


@dataclass(frozen=True, slots=True)
class HtmlBody:
    """The body as XHTML: what comes before the first heading of the second level, and its sections."""

    lead: str
    sections: tuple[Section, ...]

    def whole(self) -> str:
        """The lead and the sections."""
        return self.lead + "".join(section.html for section in self.sections)


def write_html(document: Document, images: Mapping[str, InlineImage]) -> str:
    """Write the body as XHTML, which MJML requires. `images` are those enclosed in the mail, by their source.

    Raises InvalidInput if the notes use an image that `images` does not hold.
    """
    return write_html_body(document, images).whole()


def write_html_body(
    document: Document,
    images: Mapping[str, InlineImage],
    *,
    highlight: bool = True,
    anchor: str | None = None,
    is_page: bool = False,
) -> HtmlBody:
    """Write the body as XHTML, section by section; raises what `write_html` raises.

    Without `highlight` code has no colours, which makes the mail smaller. With `anchor` the headings of sections have
    the ids ``anchor1``, ``anchor2`` ... A picture with a variant for dark screens is two images, of which the style
    sheet shows one; with `is_page` it is a ``<picture>``, which mail programs do not know.
    """
    for source, where in document.local_images().items():
        if source not in images:
            raise InvalidInput(f'the image "{source}" was not found.', where=where)
    markdown = create_parser()
    environment = {
        "images": images,
        "texts": load_texts(document.notes.locale)["mail"],
        "highlight": highlight,
        "anchor": anchor,
        "is_page": is_page,
        "longest": [LINE_CHARACTERS],
    }
    writer, tokens = _Writer(markdown), document.tokens
    starts = [index for index, token in enumerate(tokens) if begins_section(token)]
    parts = [
        (tokens[start:end], writer.render(tokens[start:end], markdown.options, environment))
        for start, end in pairwise([0, *starts, len(tokens)])
    ]
    body = HtmlBody(parts[0][1], tuple(read_section(part, html) for part, html in parts[1:]))
    if SLOT_PREFIX in body.whole():
        raise slot_prefix_error(document.notes.origin)
    return body


class _Writer(RendererHTML):
    """markdown-it's renderer, adapted to mail. Each method is named after the token type that it renders."""

    def heading_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        env["longest"].append(_HEADING_CHARACTERS)
        kind = classify_heading(tokens[idx + 1].content)
        attributes: dict[str, str | int | float] = {}
        if env["anchor"] and begins_section(tokens[idx]):
            env["sections"] = env.get("sections", 0) + 1
            attributes["id"] = f"{env['anchor']}{env['sections']}"
        opening = self.renderToken([Token("", tokens[idx].tag, 1, attrs=attributes)], 0, options, env)
        return f'{opening}<span class="kind {kind}">' if kind else opening

    def heading_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        env["longest"].pop()
        closing = self.renderToken(tokens, idx, options, env)
        return f"</span>{closing}" if classify_heading(tokens[idx - 1].content) else closing

    def paragraph_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        inline = tokens[idx + 1]
        if is_button_alone(inline):
            return '<table class="button" role="presentation" cellpadding="0" cellspacing="0" border="0"><tr><td>'
        if not tokens[idx].hidden and _is_picture(inline, env):
            return '<p class="picture">'
        return self.renderToken(tokens, idx, options, env)

    def paragraph_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        if is_button_alone(tokens[idx - 1]):
            return "</td></tr></table>\n"
        return self.renderToken(tokens, idx, options, env)

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
        kind = tokens[idx].meta["kind"].lower()
        env["sign"] = _ALERT_SIGNS.get(kind, "i")
        return f'<div class="alert {escapeHtml(kind)}">\n'

    def alert_title_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        return f'<p class="alert-title"><span class="sign" aria-hidden="true">{env["sign"]}</span> '

    def text(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        return escape_with_breaks(tokens[idx].content, env["longest"][-1])

    def code_inline(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        code = tokens[idx].content
        # A browser breaks `--option` after the dashes.
        is_whole = "-" in code and len(code) <= _WHOLE_CHARACTERS and not re.search(r"\s", code)
        opening = '<code class="whole">' if is_whole else "<code>"
        return f"{opening}{escape_with_breaks(code, env['longest'][-1])}</code>"

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        env["table"] = shape = measure_table(tokens, idx)
        env["longest"].append(shape.longest)
        compact = " compact" if shape.is_compact else ""
        return f'<div class="scroll"><table class="data {shape.form}{compact}">\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        env["longest"].pop()
        return "</table></div>\n"

    def tr_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        env["table"].column = 0
        return self.renderToken(tokens, idx, options, env)

    def th_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        """A cell. Its alignment is a class: on a phone the cell may become a row, which begins at the left."""
        alignment = read_alignment(tokens[idx])
        names = [alignment] if alignment in {"right", "center"} else []
        if is_figure(tokens, idx):
            names.append("whole")
        return f'<{tokens[idx].tag} class="{" ".join(names)}">' if names else f"<{tokens[idx].tag}>"

    def td_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A cell; in a table that may become labelled rows, with the label, which mail/prose.css.j2 hides or shows."""
        shape: TableShape = env["table"]
        label = shape.labels[shape.column] if shape.column < len(shape.labels) else ""
        shape.column += 1
        opening = self.th_open(tokens, idx, options, env)
        if shape.form is TableForm.PLAIN or not label or not tokens[idx + 1].content.strip():
            return opening
        return f'{opening}<span class="label">{escape_with_breaks(label, LINE_CHARACTERS)} </span>'

    def footnote_ref(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        return f"<sup>{tokens[idx].meta['id'] + 1}</sup>"

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        token = tokens[idx]
        dark = token.meta.get("dark")
        if not dark:
            return self._image(token, options, env)
        if env["is_page"]:
            source = Token(
                "source", "source", 0, attrs={"media": _DARK_SCREEN, "srcset": _address(dark, env)}
            )
            parts = [self.renderToken([source], 0, options, env), self._image(token, options, env)]
            return f"<picture>{''.join(parts)}</picture>"
        other = Token("image", "img", 0, attrs={"src": dark}, children=token.children)
        light = self._image(token, options, env, "light-picture")
        return f'{light}<span class="dark-picture">{self._image(other, options, env)}</span>'

    def _image(self, token: Token, options: OptionsDict, env: EnvType, name: str | None = None) -> str:
        attributes = {"class": name} if name else {}
        attributes["src"] = _address(str(token.attrs["src"]), env)
        if width := _image_width(token, env):
            shown = min(width, _COLUMN_PIXELS)
            attributes["width"] = str(shown)
            if shown > _PHONE_PIXELS:
                attributes["style"] = f"width: 100%; max-width: {shown}px"
        attributes["alt"] = _one_line(self.renderInlineAsText(token.children, options, env))
        return self.renderToken([Token("image", "img", 0, attrs={**attributes})], 0, options, env)

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        attributes: dict[str, Any] = tokens[idx].attrs
        if "title" in attributes:
            attributes = {**attributes, "title": _one_line(str(attributes["title"]))}
        return self.renderToken([Token("link_open", "a", 1, attrs=attributes)], 0, options, env)

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002
        code = write_code(tokens[idx].content, tokens[idx].info, highlight=env["highlight"])
        # The MJML compiler drops a line break between two tags.
        return f"<pre><code>{code.replace('>' + chr(10), '>&#10;')}</code></pre>\n"

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return self.fence(tokens, idx, options, env)


def _is_picture(inline: Token, env: EnvType) -> bool:
    """Whether a paragraph holds one image and nothing else, with or without a link around it."""
    shown = [
        child
        for child in inline.children or ()
        if not child.type.startswith("link_") and child.type != "softbreak"
    ]
    return (
        len(shown) == 1
        and shown[0].type == "image"
        and (_image_width(shown[0], env) or _COLUMN_PIXELS) > _ICON_PIXELS
    )


def _image_width(token: Token, env: EnvType) -> int | None:
    """The width that the author gave, or else the image's own, in pixels; None if it is not known."""
    given: int | None = token.meta.get("width")
    if given or urlsplit(str(token.attrs["src"])).scheme:
        return given
    return read_image_width(_enclosed(str(token.attrs["src"]), env).data)


def _address(source: str, env: EnvType) -> str:
    """The address of an image in the mail: that of an enclosed image by its content id."""
    return source if urlsplit(source).scheme else f"cid:{_enclosed(source, env).content_id}"


def _enclosed(source: str, env: EnvType) -> InlineImage:
    image: InlineImage = env["images"][unquote(source)]
    return image


def _one_line(value: str) -> str:
    return " ".join(value.split())
