"""The body of a mail: text, HTML and images as MIME parts, with the slots left open (RFC 2045, 2046)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mailer.errors import InvalidInput
from mailer.message import quoted_printable
from mailer.message.mail_template import SLOT_MARKER, InlineImage, MailTemplate

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_CONTENT_ID = re.compile(r"[A-Za-z0-9._+-]+(?:@[A-Za-z0-9.-]+)?")
_IMAGE_TYPE = re.compile(r"image/[A-Za-z0-9.+-]+")


class OpenSlot(NamedTuple):
    """A slot in one of the two texts; `name` is its value's in the values that fill the skeleton."""

    name: str


class Body(NamedTuple):
    """A body with its slots open: the static `opening`, then slots and static parts in turn."""

    opening: bytes
    parts: Sequence[bytes | OpenSlot]


def boundaries(seed: str) -> tuple[str, str]:
    """Two boundaries that can't occur in any content: neither quoted-printable nor base64 can hold ``=_``."""
    digest = hashlib.sha256(seed.encode()).hexdigest()[:32]
    return f"=_{digest}_1", f"=_{digest}_2"


def assemble(mail: MailTemplate) -> Body:
    """Encode the body's static parts for transfer, and leave the slots open."""
    parts: list[bytes | OpenSlot] = []
    opening: bytes | None = None
    static = bytearray()
    for part in _parts(mail.text, mail.html, mail.images, mail.boundary_seed):
        if not isinstance(part, OpenSlot):
            static += part
            continue
        if opening is None:
            opening = bytes(static)
        else:
            parts.append(bytes(static))
        parts.append(part)
        static.clear()
    parts.append(bytes(static))
    return Body(opening or b"", parts)


def assemble_letter(text: str, html: str, images: Sequence[InlineImage], boundary_seed: str) -> bytes:
    """Encode a body without slots for transfer."""
    parts = _parts(text, html, images, boundary_seed)
    return b"".join(part for part in parts if not isinstance(part, OpenSlot))


def _parts(
    text: str, html: str, images: Sequence[InlineImage], boundary_seed: str
) -> Iterator[bytes | OpenSlot]:
    outer, inner = boundaries(boundary_seed)
    yield f"--{outer}\r\n".encode()
    yield from _text_part("plain", text)
    yield f"\r\n--{outer}\r\n".encode()
    if images:
        yield f'Content-Type: multipart/related; type="text/html";\r\n boundary="{inner}"\r\n'.encode()
        yield f"\r\n--{inner}\r\n".encode()
    yield from _text_part("html", html)
    for image in images:
        yield f"\r\n--{inner}\r\n".encode()
        yield _image_part(image)
    if images:
        yield f"\r\n--{inner}--\r\n".encode()
    yield f"\r\n--{outer}--\r\n".encode()


def _text_part(subtype: str, text: str) -> Iterator[bytes | OpenSlot]:
    yield f"Content-Type: text/{subtype}; charset=utf-8\r\n".encode()
    yield b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    lines = _LINE_BREAK.split(text)
    if lines[-1] == "" and len(lines) > 1:
        lines.pop()
    for line in lines:
        yield from _encoded_line(line, in_html=subtype == "html")
        yield b"\r\n"


def _encoded_line(line: str, *, in_html: bool) -> Iterator[bytes | OpenSlot]:
    """Text and slots in turn, each on encoded lines of its own."""
    between = b""
    for index, piece in enumerate(SLOT_MARKER.split(line)):
        if not piece:
            continue
        if between:
            yield between
        yield (
            OpenSlot(f"{piece}_html" if in_html else piece) if index % 2 else quoted_printable.encode(piece)
        )
        between = quoted_printable.SOFT_BREAK


def _image_part(image: InlineImage) -> bytes:
    if not _IMAGE_TYPE.fullmatch(image.content_type):
        raise InvalidInput(f"{image.content_type!r} is not the media type of an image")
    if not _CONTENT_ID.fullmatch(image.content_id):
        raise InvalidInput(f"{image.content_id!r} can't be a Content-ID")
    head = (
        f"Content-Type: {image.content_type}\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f"Content-ID: <{image.content_id}>\r\n"
        "Content-Disposition: inline\r\n\r\n"
    )
    return head.encode() + base64.encodebytes(image.data).replace(b"\n", b"\r\n")
