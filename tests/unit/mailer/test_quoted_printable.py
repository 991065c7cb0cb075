"""Quoted-printable: what comes back is what went in, and nothing on the way has a reason to touch it."""

from __future__ import annotations

import quopri
import re

from hypothesis import example, given
from hypothesis import strategies as st

from mailer.message import quoted_printable

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)


@given(TEXT)
@example("...." * 60)
@example("From " * 60)
@example("  \t  ")
@example("é" * 100)
@example("a=b" * 60)
def test_any_text_decodes_to_itself(text: str):
    assert quopri.decodestring(quoted_printable.encode(text)) == text.encode()


@given(TEXT)
@example("...." * 60)
@example("From " * 60)
@example("a " * 100 + " ")
def test_lines_are_short_ascii_and_keep_their_bytes_on_the_way(text: str):
    for line in quoted_printable.encode(text).split(b"\r\n"):
        assert len(line) <= 76
        assert re.fullmatch(rb"[ -~]*", line), "printable ASCII only"
        assert not line.startswith((b".", b"From ")), "nothing to stuff, nothing to quote"
        assert not line.endswith(b" ")
        assert b"  " not in line, "relaxed canonicalisation finds nothing to reduce"


@given(st.lists(TEXT, min_size=1, max_size=4))
def test_encoded_pieces_join_with_soft_breaks(pieces: list[str]):
    joined = quoted_printable.SOFT_BREAK.join(map(quoted_printable.encode, pieces))
    assert quopri.decodestring(joined) == "".join(pieces).encode()
    assert max(map(len, joined.split(b"\r\n"))) <= 76


def test_plain_text_stays_readable():
    assert quoted_printable.encode("Dear Ms de Vries, 1 < 2 & so on.") == b"Dear Ms de Vries, 1 < 2 & so on."
