"""Renders release notes and a brand as a mail. Slots mark the places of a recipient's data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

from mailer.errors import TemplateError
from mailer.message import InlineImage, Slot
from templates.brand import Brand
from templates.design import design_values
from templates.environment import render_template
from templates.language import Register, format_long_date, load_texts
from templates.markdown import (
    Document,
    HtmlBody,
    divide,
    escape_with_breaks,
    extract_preheader,
    group_short,
    parse_notes,
    take_hero,
    write_html_body,
    write_text,
)
from templates.mjml import compile_mjml
from templates.notes import ReleaseNotes, RenderedNotes
from templates.theme import HEAD_STYLE, MAIL, STYLE, Theme, find_theme

TEXT_TEMPLATE = "mail/release_notes.txt.j2"
GMAIL_CLIP_BYTES = 102 * 1024  # Gmail cuts off HTML that is larger
_MAX_PREHEADER_CHARACTERS = 110  # a wide inbox shows no more after the subject
_CONTENTS_CHARACTERS = 18  # of a word in a table of contents: its titles are bold, in a panel
_ANCHOR = "part"  # the ids of sections: part1, part2 ...
_NO_IMAGES: Mapping[str, InlineImage] = MappingProxyType({})


def render(
    notes: ReleaseNotes,
    brand: Brand,
    *,
    images: Mapping[str, InlineImage] = _NO_IMAGES,
    image_hosts: Collection[str] = (),
    templates_dir: Path | None = None,
    theme: str = "letter",
    register: Register = "formal",
    links_to_page: bool = False,
) -> RenderedNotes:
    """Render the mail of a release. The same arguments give the same text, so the mail can be hashed.

    `images` are those beside the notes, by their source in the Markdown. Images may be fetched from
    `image_hosts`. Themes and templates in `templates_dir` take precedence over the package's. The notes may name
    a theme of their own. `register` is that of the fixed texts. With `links_to_page` the mail links to
    the page with the same content.

    Raises InvalidInput with file and line for notes that can't be mailed, TemplateError for a broken
    template, and where there is no `templates_dir`: the mail would look like somebody else's.
    """
    if templates_dir is not None and not templates_dir.is_dir():
        raise TemplateError(
            f"templates_dir: the folder {templates_dir} does not exist.",
            hint="Correct templates_dir in the settings, or leave it out.",
        )
    look = find_theme(notes.theme or theme, templates_dir)
    document = parse_notes(notes, image_hosts=image_hosts)
    preheader = notes.preheader or extract_preheader(document, _MAX_PREHEADER_CHARACTERS)
    hero, body = take_hero(document, images) if look.hero else (None, document)
    values: dict[str, Any] = design_values(look, brand) | {
        "notes": notes,
        "brand": brand,
        "texts": load_texts(notes.locale, register),
        "preheader": preheader,
        "date": format_long_date(notes.date, notes.locale) if notes.date else None,
        "slots": {slot.value: slot.marker for slot in Slot},
        "hero": hero,
        "links_to_page": links_to_page,
        "anchor": _ANCHOR,
    }
    html = _render_html(look, values, body, images, templates_dir, highlight=True)
    if len(html.encode()) > GMAIL_CLIP_BYTES and body.has_code():
        html = _render_html(look, values, body, images, templates_dir, highlight=False)
    lead, rest = (write_text(part) for part in divide(body))
    written = {"lead": lead, "rest": rest, "body": "\n\n".join(filter(None, (lead, rest)))}
    text = render_template(TEXT_TEMPLATE, values | written, templates_dir=templates_dir)
    return RenderedNotes(
        subject=notes.title,
        html=html,
        text=text,
        images=_collect_images(html, brand, [images[source] for source in document.local_images()]),
        locale=notes.locale,
    )


def _render_html(
    theme: Theme,
    values: dict[str, Any],
    document: Document,
    images: Mapping[str, InlineImage],
    templates_dir: Path | None,
    *,
    highlight: bool,
) -> str:
    written = write_html_body(document, images, highlight=highlight, anchor=_ANCHOR)
    template = theme.template(MAIL)
    css, head_styles = (
        Markup(render_template(theme.template(file), values, templates_dir=templates_dir))  # noqa: S704 - CSS is not escaped
        for file in (STYLE, HEAD_STYLE)
    )
    filled = values | {"body": _as_markup(written), "head_styles": head_styles}
    mjml = render_template(template, filled, templates_dir=templates_dir)
    return compile_mjml(mjml, template=template, css=css, templates_dir=templates_dir)


def _as_markup(body: HtmlBody) -> dict[str, Any]:
    """The body as markup that templates do not escape again: `write_html_body` escapes."""
    sections = [
        replace(
            one,
            title=_with_breaks(one.title),
            highlights=tuple(map(_with_breaks, one.highlights)),
            html=Markup(one.html),  # noqa: S704
        )
        for one in body.sections
    ]
    return {
        "lead": Markup(body.lead),  # noqa: S704
        "sections": sections,
        "cards": group_short(sections),
        "html": Markup(body.whole()),  # noqa: S704
    }


def _with_breaks(words: str) -> Markup:
    """Words with places to break those that are too long for a table of contents on a phone."""
    return Markup(escape_with_breaks(words, _CONTENTS_CHARACTERS))  # noqa: S704 - it escapes


def _collect_images(html: str, brand: Brand, images: list[InlineImage]) -> tuple[InlineImage, ...]:
    """The logos and the images of the notes that the mail shows, each once."""
    logos = [logo for logo in (brand.logo, brand.logo_dark) if logo]
    by_id = {image.content_id: image for image in logos + images}
    return tuple(image for name, image in by_id.items() if f"cid:{name}" in html)
