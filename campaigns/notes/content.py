"""The content of a campaign: read notes and images, and render them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from campaigns.notes.formats import as_markdown
from campaigns.notes.text import read_source_text
from mailer.config import BrandSettings, Settings
from mailer.errors import InvalidInput
from mailer.message import InlineImage
from templates.brand import Brand
from templates.markdown import parse_notes
from templates.notes import ReleaseNotes, RenderedNotes

DEFAULT_THEME = "product"
LARGEST_IMAGE = 1_000_000  # bytes
LARGEST_IMAGES = 3_000_000  # bytes, of all images of a mail
_MAGIC = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


def read_text(path: Path) -> str:
    """Read a file of notes as Markdown.

    Raises InvalidInput, which names the file, where it is too large, not UTF-8, in a format that can't be
    mailed, or can't be read. Controls of the direction of text are left out.
    """
    return as_markdown(read_source_text(path), path.name)


def read_images(notes: ReleaseNotes, folder: Path, settings: Settings) -> dict[str, InlineImage]:
    """Read the images beside the notes, or in the settings' assets_dir. The key is the source in the
    Markdown.

    Raises InvalidInput with file and line for one that is missing, elsewhere, too large or not a PNG, JPEG or
    GIF, and for pictures that are too large together.
    """
    places = parse_notes(notes, image_hosts=settings.image_hosts).local_images()
    folders = [one.resolve() for one in (folder, settings.assets_dir) if one]
    images = {source: read_image(_inside(folders, source, where), where) for source, where in places.items()}
    if sum(len(image.data) for image in images.values()) > LARGEST_IMAGES:
        sizes = "\n".join(
            f"{places[source]}: {source}, {len(image.data):,} bytes" for source, image in images.items()
        )
        raise InvalidInput(
            f"the images have {sum(len(image.data) for image in images.values()):,} bytes together\n{sizes}",
            where=notes.origin,
            hint=f"At most {LARGEST_IMAGES:,}: they travel in every mail.",
        )
    return images


def _inside(folders: Sequence[Path], source: str, where: str) -> Path:
    """The path of an image inside one of the folders, after links and ".." are resolved. An existing file is
    preferred.
    """
    try:
        found = [
            path
            for path in ((folder / source).resolve() for folder in folders)
            if any(map(path.is_relative_to, folders))
        ]
    except (OSError, ValueError, RuntimeError):  # a null byte, or links in a circle
        raise InvalidInput("the image's name is not one that a file can have", where=where) from None
    if not found:
        raise InvalidInput(
            f'the image "{source}" lies outside the folder of the notes',
            where=where,
            hint="Copy it beside the notes, or set assets_dir to the folder that it lies in.",
        )
    return next((path for path in found if path.exists()), found[0])


def read_image(path: Path, where: str) -> InlineImage:
    """Read an image. Its content id is derived from its content. Raises InvalidInput with `where`."""
    try:
        size = path.stat().st_size
        # A device or a pipe is not opened: it would never end.
        data = path.read_bytes() if path.is_file() and size <= LARGEST_IMAGE else b""
    except OSError as error:
        raise InvalidInput(f"the image {path} can't be read: {error.strerror}", where=where) from None
    except ValueError:  # a null byte
        raise InvalidInput("the image's name is not one that a file can have", where=where) from None
    if size > LARGEST_IMAGE:
        raise InvalidInput(
            f"the image {path} has {size:,} bytes",
            where=where,
            hint=f"At most {LARGEST_IMAGE:,}: it travels in every mail.",
        )
    kind = next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), None)
    if kind is None:
        raise InvalidInput(f"the image {path} is not a PNG, JPEG or GIF", where=where)
    return InlineImage(f"{hashlib.sha256(data).hexdigest()[:32]}@image", kind, data)


def brand_of(settings: Settings) -> Brand:
    """The brand in the settings, with the logos read from their files."""
    brand: BrandSettings = settings.brand
    return Brand(
        name=brand.name,
        colour=brand.colour,
        website=brand.website,
        postal_address=brand.postal_address,
        privacy_url=brand.privacy_url,
        support_email=brand.support_email,
        logo=read_image(brand.logo, "[brand] logo") if brand.logo else None,
        logo_dark=read_image(brand.logo_dark, "[brand] logo_dark") if brand.logo_dark else None,
        background=brand.background,
        radius=brand.radius,
        font=brand.font,
        footer=brand.footer,
    )


def render_notes(notes: ReleaseNotes, images: Mapping[str, InlineImage], settings: Settings) -> RenderedNotes:
    """Render the notes in all their languages, with open slots. Raises InvalidInput or TemplateError with file and line."""
    from templates.render import render  # noqa: PLC0415 - Jinja2 and MJML are slow to import, and frozen mail needs neither

    brand = brand_of(settings)
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
    return replace(first, translations=tuple(others))
