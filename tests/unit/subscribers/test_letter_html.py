"""The HTML of a letter has every word of its text, and none of its signs is markup."""

from __future__ import annotations

from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from subscribers.rights.letter_html import letter_html

LINES = st.lists(
    st.sampled_from(
        ["", "- ", "  ", "WHAT", "word", "<b>", "&amp;", "\u2028", "\x0c", "x" * 80, "\n", "\n\n"]
    )
)


@given(LINES)
def test_no_word_of_a_letter_is_lost(pieces: list[str]) -> None:
    text = " ".join(pieces)
    body = BeautifulSoup(letter_html(text, "A", "nl"), "html.parser").body
    assert body is not None
    shown = body.get_text(" ").split()
    assert [word for word in shown if word != "-"] == [word for word in text.split() if word != "-"]
