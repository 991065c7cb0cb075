"""Release notes and a brand become a mail; what differs per recipient stays open as slots."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

from mailer.message import InlineImage, Slot
from templates.brand import Brand, contrast, readable
from templates.environment import fill
from templates.language import long_date, texts_of
from templates.markdown import extract_preheader, parse_notes, write_html, write_text
from templates.mjml import to_html
from templates.notes import ReleaseNotes, RenderedNotes

HTML_TEMPLATE = "mail/release_notes.mjml.j2"
TEXT_TEMPLATE = "mail/release_notes.txt.j2"
PROSE_STYLES = "mail/prose.css.j2"
_PREHEADER = 110  # what a wide inbox shows after the subject
_DARKEST_OF_LIGHT, _LIGHTEST_OF_DARK = "#eef0f3", "#2a2f36"  # the ground of code, by day and by night
_NO_IMAGES: Mapping[str, InlineImage] = MappingProxyType({})


def render(
    notes: ReleaseNotes,
    brand: Brand,
    *,
    images: Mapping[str, InlineImage] = _NO_IMAGES,
    image_hosts: Collection[str] = (),
    templates_dir: Path | None = None,
) -> RenderedNotes:
    """The mail of a release. The same values give the same characters, so that they can be hashed.

    `images` are those beside the notes, by their source in the Markdown; `image_hosts` may be fetched from.
    Templates under `templates_dir` win over the package's.
    Raises InvalidInput with file and line for notes that can't be mailed, TemplateError for a broken template.
    """
    document = parse_notes(notes, image_hosts=image_hosts)
    preheader = notes.preheader or extract_preheader(document, _PREHEADER)
    values: dict[str, Any] = {
        "notes": notes,
        "brand": brand,
        "colours": _colours(brand.colour),
        "texts": texts_of(notes.locale),
        "preheader": preheader,
        "date": long_date(notes.date, notes.locale) if notes.date else None,
        "slots": {slot.value: slot.marker for slot in Slot},
    }
    css = fill(PROSE_STYLES, values, templates_dir=templates_dir)
    body = Markup(write_html(document, images))  # noqa: S704 - made by our own writer, which escapes
    mjml = fill(HTML_TEMPLATE, values | {"body": body}, templates_dir=templates_dir)
    text = fill(TEXT_TEMPLATE, values | {"body": write_text(document)}, templates_dir=templates_dir)
    return RenderedNotes(
        subject=notes.title,
        preheader=preheader,
        html=to_html(mjml, template=HTML_TEMPLATE, css=css, templates_dir=templates_dir),
        text=text,
        images=_enclosed(brand, [images[source] for source in document.local_images()]),
        locale=notes.locale,
    )


def _colours(brand: str) -> dict[str, str]:
    """The brand's colour, what can be read on it, and shades of it that can be read on every ground of the mail."""
    return {
        "brand": brand,
        "on_brand": max("#ffffff", "#15181c", key=lambda ink: contrast(ink, brand)),
        "link": readable(brand, _DARKEST_OF_LIGHT),
        "link_dark": readable(brand, _LIGHTEST_OF_DARK),
    }


def _enclosed(brand: Brand, used: list[InlineImage]) -> tuple[InlineImage, ...]:
    by_id = {image.content_id: image for image in ([brand.logo] if brand.logo else []) + used}
    return tuple(by_id.values())
