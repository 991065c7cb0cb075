"""The image files that travel in a mail."""

from __future__ import annotations

import hashlib
from pathlib import Path

from campaigns.image_end import is_whole
from mailer.errors import InvalidInput
from mailer.message import InlineImage

LARGEST_IMAGE = 1_000_000  # bytes
_MAGIC = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


def read_whole_image(path: Path, where: str) -> InlineImage:
    """Read an image that is to be mailed. Raises InvalidInput with `where`, also where it is cut off or damaged."""
    image = read_image(path, where)
    if not is_whole(image.data, image.content_type):
        raise InvalidInput(
            f"the image {path} is cut off or damaged",
            where=where,
            hint="Save or download it again, and open it: everybody would see it as it is.",
        )
    return image


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
        raise InvalidInput(f"the image {path} is not a PNG, JPEG or GIF", where=where, hint="Save it as one.")
    return InlineImage(f"{hashlib.sha256(data).hexdigest()[:32]}@image", kind, data)
