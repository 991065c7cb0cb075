"""Renders release notes and a brand as a mail. Slots mark the places of a recipient's data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

from mailer.message import InlineImage, Slot
from templates.brand import Brand, adjust_contrast, contrast_ratio
from templates.environment import render_template
from templates.language import format_long_date, load_texts
from templates.markdown import extract_preheader, parse_notes, write_html, write_text
from templates.mjml import compile_mjml
from templates.notes import ReleaseNotes, RenderedNotes

HTML_TEMPLATE = "mail/release_notes.mjml.j2"
TEXT_TEMPLATE = "mail/release_notes.txt.j2"
PROSE_STYLES = "mail/prose.css.j2"
_MAX_PREHEADER_CHARACTERS = 110  # a wide inbox shows no more after the subject
# The backgrounds of code. Of all backgrounds in the mail these have the least contrast with text.
_DARKEST_LIGHT_BACKGROUND, _LIGHTEST_DARK_BACKGROUND = "#eef0f3", "#2a2f36"
_NO_IMAGES: Mapping[str, InlineImage] = MappingProxyType({})


def render(
    notes: ReleaseNotes,
    brand: Brand,
    *,
    images: Mapping[str, InlineImage] = _NO_IMAGES,
    image_hosts: Collection[str] = (),
    templates_dir: Path | None = None,
) -> RenderedNotes:
    """Render the mail of a release. The same arguments give the same text, so the mail can be hashed.

    `images` are those beside the notes, by their source in the Markdown. Images may be fetched from
    `image_hosts`. Templates in `templates_dir` replace the package's.

    Raises InvalidInput with file and line for notes that can't be mailed, TemplateError for a broken
    template.
    """
    document = parse_notes(notes, image_hosts=image_hosts)
    preheader = notes.preheader or extract_preheader(document, _MAX_PREHEADER_CHARACTERS)
    values: dict[str, Any] = {
        "notes": notes,
        "brand": brand,
        "colours": _choose_colours(brand.colour),
        "texts": load_texts(notes.locale),
        "preheader": preheader,
        "date": format_long_date(notes.date, notes.locale) if notes.date else None,
        "slots": {slot.value: slot.marker for slot in Slot},
    }
    css = render_template(PROSE_STYLES, values, templates_dir=templates_dir)
    body = Markup(write_html(document, images))  # noqa: S704 - write_html escapes
    mjml = render_template(HTML_TEMPLATE, values | {"body": body}, templates_dir=templates_dir)
    text = render_template(
        TEXT_TEMPLATE, values | {"body": write_text(document)}, templates_dir=templates_dir
    )
    return RenderedNotes(
        subject=notes.title,
        preheader=preheader,
        html=compile_mjml(mjml, template=HTML_TEMPLATE, css=css, templates_dir=templates_dir),
        text=text,
        images=_collect_images(brand, [images[source] for source in document.local_images()]),
        locale=notes.locale,
    )


def _choose_colours(brand: str) -> dict[str, str]:
    """The brand's colour, a text colour to use on it, and link colours to use on every background of the
    mail.
    """
    return {
        "brand": brand,
        "on_brand": max("#ffffff", "#15181c", key=lambda ink: contrast_ratio(ink, brand)),
        "link": adjust_contrast(brand, _DARKEST_LIGHT_BACKGROUND),
        "link_dark": adjust_contrast(brand, _LIGHTEST_DARK_BACKGROUND),
    }


def _collect_images(brand: Brand, images: list[InlineImage]) -> tuple[InlineImage, ...]:
    """The logo and the images of the notes, each once."""
    by_id = {image.content_id: image for image in ([brand.logo] if brand.logo else []) + images}
    return tuple(by_id.values())
