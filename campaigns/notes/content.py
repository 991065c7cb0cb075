"""The files of a campaign: its notes and the images beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from campaigns.images import read_whole_image
from campaigns.notes.formats import as_markdown
from campaigns.notes.text import read_source_text
from mailer.config import Settings
from mailer.errors import InvalidInput
from mailer.message import InlineImage
from templates.markdown import parse_notes
from templates.notes import ReleaseNotes

LARGEST_IMAGES = 3_000_000  # bytes, of all images of a mail


def read_text(path: Path) -> str:
    """Read a file of notes as Markdown.

    Raises InvalidInput, which names the file, where it is too large, not UTF-8, in a format that can't be
    mailed, or can't be read. Controls of the direction of text are left out.
    """
    return as_markdown(read_source_text(path), path.name)


def read_images(notes: ReleaseNotes, folder: Path, settings: Settings) -> dict[str, InlineImage]:
    """Read the images beside the notes, or in the settings' assets_dir. The key is the source in the
    Markdown.

    Raises InvalidInput with file and line for one that is missing, elsewhere, too large, damaged or not a PNG,
    JPEG or GIF, and for pictures that are too large together.
    """
    places = parse_notes(notes, image_hosts=settings.image_hosts).local_images()
    folders = [one.resolve() for one in (folder, settings.assets_dir) if one]
    images = {
        source: read_whole_image(_inside(folders, source, where), where) for source, where in places.items()
    }
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
