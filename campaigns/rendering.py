"""Render a campaign's notes with the settings' brand and theme.

It stands outside `campaigns.notes`, because what sends need not read the forms in which notes are written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from campaigns.images import read_image, read_whole_image
from mailer.config import BrandSettings, Settings
from mailer.message import InlineImage
from templates.brand import Brand
from templates.notes import ReleaseNotes, RenderedNotes

DEFAULT_THEME = "product"


def brand_of(settings: Settings, read: Callable[[Path, str], InlineImage] = read_image) -> Brand:
    """The brand in the settings, with the logos read from their files.

    A logo that is damaged shows badly on the page to unsubscribe, and keeps nobody from it.
    """
    brand: BrandSettings = settings.brand
    return Brand(
        name=brand.name,
        colour=brand.colour,
        website=brand.website,
        postal_address=brand.postal_address,
        privacy_url=brand.privacy_url,
        support_email=brand.support_email,
        logo=read(brand.logo, "[brand] logo") if brand.logo else None,
        logo_dark=read(brand.logo_dark, "[brand] logo_dark") if brand.logo_dark else None,
        background=brand.background,
        radius=brand.radius,
        font=brand.font,
        footer=brand.footer,
    )


def render_notes(notes: ReleaseNotes, images: Mapping[str, InlineImage], settings: Settings) -> RenderedNotes:
    """Render the notes in all their languages, with open slots. Raises InvalidInput or TemplateError with file and line."""
    from templates.render import render  # noqa: PLC0415 - Jinja2 and MJML are slow to import, and frozen mail needs neither

    brand = brand_of(settings, read_whole_image)
    first, *others = (
        render(
            edition,
            brand,
            images=images,
            image_hosts=settings.image_hosts,
            templates_dir=settings.templates_dir,
            theme=settings.theme or DEFAULT_THEME,
            register=settings.form_of_address,
            links_to_page=settings.archive.enabled,
        )
        for edition in notes.editions
    )
    return first._replace(translations=tuple(others))
