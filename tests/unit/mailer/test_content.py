"""A picture is read from a file only, and only where it may travel in a mail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from campaigns.images import LARGEST_IMAGE, read_image, read_whole_image
from mailer.errors import InvalidInput
from tests.support.pictures import png

PNG = png(1)


def test_a_picture_is_named_after_its_content(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(PNG)
    first, second = (read_image(tmp_path / name, "notes.md, line 4") for name in ("a.png", "b.png"))
    assert first == second
    assert (first.content_type, first.data) == ("image/png", PNG)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("absent.png", "can't be read: No such file"),
        ("text.png", "is not a PNG, JPEG or GIF"),
        ("folder.png", "is not a PNG, JPEG or GIF"),
        ("pipe.png", "is not a PNG, JPEG or GIF"),
        ("/dev/zero", "is not a PNG, JPEG or GIF"),
        ("large.png", "has 1,000,001 bytes"),
        ("part.png", "is cut off or damaged"),
        ("a\0b.png", "is not one that a file can have"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_place(tmp_path: Path, name: str, problem: str) -> None:
    (tmp_path / "text.png").write_text("root:x:0:0")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "large.png").write_bytes(PNG.ljust(LARGEST_IMAGE + 1, b"\0"))
    (tmp_path / "part.png").write_bytes(PNG[:-1])
    with pytest.raises(InvalidInput, match=problem) as refused:
        read_whole_image(tmp_path / name, "notes.md, line 4")
    assert refused.value.where == "notes.md, line 4"
