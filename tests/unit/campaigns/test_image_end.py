"""A part of a picture is told from a whole one, and what mail programs pass over is none of our business."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.image_end import is_whole
from tests.support.pictures import GIF, JPEG, png, png_chunk

PNG = png(20, 20)
END = png_chunk(b"IEND", b"")
PICTURES = [("image/png", PNG), ("image/jpeg", JPEG), ("image/gif", GIF)]
of_each_kind = pytest.mark.parametrize(("kind", "data"), PICTURES, ids=[kind for kind, _ in PICTURES])
MAGIC = {"image/png": PNG[:8], "image/jpeg": JPEG[:3], "image/gif": GIF[:4]}


def with_thumbnail(data: bytes) -> bytes:
    """The photo with another one in front, as cameras put it: with an end of its own."""
    content = b"Exif\0\0" + JPEG
    return data[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2) + content + data[2:]


@of_each_kind
def test_a_whole_picture_is_whole(kind: str, data: bytes) -> None:
    assert is_whole(data, kind)


@of_each_kind
def test_a_picture_that_breaks_off_anywhere_is_not(kind: str, data: bytes) -> None:
    whole = [length for length in range(len(data)) if is_whole(data[:length], kind)]
    second_frame = GIF.rindex(b",")
    # An animation that ends after a frame is shown to there, and needs no trailer.
    assert whole == ([second_frame, len(data) - 1] if kind == "image/gif" else [])


@of_each_kind
@given(more=st.binary(min_size=1, max_size=40))
def test_bytes_after_the_end_are_allowed(kind: str, data: bytes, more: bytes) -> None:
    assert is_whole(data + more, kind)


@given(kind=st.sampled_from(sorted(MAGIC)), rest=st.binary(max_size=200))
def test_any_bytes_have_an_answer(kind: str, rest: bytes) -> None:
    assert is_whole(MAGIC[kind] + rest, kind) in {True, False}


def test_the_end_of_a_thumbnail_is_not_that_of_the_photo() -> None:
    assert is_whole(with_thumbnail(JPEG), "image/jpeg")
    assert not is_whole(with_thumbnail(JPEG[:-2]), "image/jpeg")


@pytest.mark.parametrize(
    "pixels",
    [
        b"ab\xff\x00cd",  # 0xFF as a pixel
        b"ab\xff\xd0cd\xff\xd7ef",  # restarts
        b"ab\xff\xda\x00\x02cd\xff\xc4\x00\x02\xff\xda\x00\x02ef",  # several scans, with a table between
        b"ab\xff\xff",  # filling before the end
    ],
)
def test_a_photo_may_have_all_that_photos_have(pixels: bytes) -> None:
    photo = b"\xff\xd8\xff\xda\x00\x02" + pixels
    assert is_whole(photo + b"\xff\xd9", "image/jpeg")
    assert not is_whole(photo, "image/jpeg")


def test_a_changed_byte_counts_where_the_picture_needs_it() -> None:
    text = png_chunk(b"tEXt", b"Comment\0By Zoe")
    described = PNG.replace(END, text + END)
    assert is_whole(described, "image/png")
    assert is_whole(described.replace(b"Zoe", b"Ann"), "image/png")
    pixel = PNG.index(b"IDAT") + 8
    assert not is_whole(PNG[:pixel] + bytes([PNG[pixel] ^ 1]) + PNG[pixel + 1 :], "image/png")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("image/png", PNG[:8] + END),
        ("image/jpeg", b"\xff\xd8\xff\xd9"),
        ("image/gif", GIF[:13] + b";"),
        ("image/gif", GIF[: GIF.index(b"!")] + b"\x07" + GIF[GIF.index(b"!") :]),
    ],
    ids=["png", "jpeg", "gif", "unknown block"],
)
def test_an_end_without_a_picture_is_none(kind: str, data: bytes) -> None:
    assert not is_whole(data, kind)
