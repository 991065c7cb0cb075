"""Pictures that are whole: a PNG of any size, a photo and an animation."""

from __future__ import annotations

import base64
import zlib


def png(width: int, height: int = 1) -> bytes:
    """A white PNG in shades of grey."""
    header = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 0, 0, 0, 0])
    pixels = zlib.compress(b"".join(b"\0" + b"\xff" * width for _ in range(height)))
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(name, content) for name, content in chunks)


def png_chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG, with its checksum."""
    return len(content).to_bytes(4) + name + content + zlib.crc32(name + content).to_bytes(4)


# Eight by eight pixels, as Chromium writes it, with a profile of colours.
JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/4gHYSUNDX1BST0ZJTEUAAQEAAAHIAAAAAAQwAABtbnRyUkdCIFhZWiAH4AABAAEAAAAAAABh"
    "Y3NwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQAA9tYAAQAAAADTLQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAlkZXNjAAAA8AAAACRyWFlaAAABFAAAABRnWFlaAAABKAAAABRiWFlaAAABPAAAABR3dHB0AAAB"
    "UAAAABRyVFJDAAABZAAAAChnVFJDAAABZAAAAChiVFJDAAABZAAAAChjcHJ0AAABjAAAADxtbHVjAAAAAAAAAAEAAAAMZW5VUwAA"
    "AAgAAAAcAHMAUgBHAEJYWVogAAAAAAAAb6IAADj1AAADkFhZWiAAAAAAAABimQAAt4UAABjaWFlaIAAAAAAAACSgAAAPhAAAts9Y"
    "WVogAAAAAAAA9tYAAQAAAADTLXBhcmEAAAAAAAQAAAACZmYAAPKnAAANWQAAE9AAAApbAAAAAAAAAABtbHVjAAAAAAAAAAEAAAAM"
    "ZW5VUwAAACAAAAAcAEcAbwBvAGcAbABlACAASQBuAGMALgAgADIAMAAxADb/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI"
    "////////////////////////////////////////////////////2wBDAVVaWnhpeOuCguv/////////////////////////////"
    "////////////////////////////////////////////wAARCAAIAAgDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAT/"
    "xAAVEAEBAAAAAAAAAAAAAAAAAAAAEv/EABUBAQEAAAAAAAAAAAAAAAAAAAID/8QAFxEAAwEAAAAAAAAAAAAAAAAAAAESAv/aAAwD"
    "AQACEQMRAD8AnoBeMitn/9k="
)
# Two frames of one pixel each, with a table of colours of their own, a comment and a pause.
GIF = (
    b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0"
    b"!\xfe\x07comment\0"
    b"!\xf9\x04\0\x0a\0\0\0" + 2 * b",\0\0\0\0\x01\0\x01\0\x80\0\0\0\xff\xff\xff\x02\x02D\x01\0" + b";"
)
