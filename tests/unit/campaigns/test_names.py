"""Names of every script come out of a mail as they went in: in the header, in the greeting of the HTML, and in the text."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import unescape
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from campaigns.rendering import render_notes
from campaigns.sending.compose import Composer, Example
from templates.language import greet
from tests.support.campaign import NOTES, TOPIC, settings_for

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
# The letters and marks of one script each, as ranges of code points.
SCRIPTS = {
    "Latin": [(0x41, 0x5A), (0x61, 0x7A), (0xC0, 0xD6), (0x100, 0x17F), (0x1E00, 0x1EF9)],
    "combining marks": [(0x61, 0x7A), (0x300, 0x36F)],
    "Greek": [(0x391, 0x3A1), (0x3AC, 0x3CE)],
    "Cyrillic": [(0x400, 0x45F)],
    "Armenian": [(0x531, 0x556), (0x561, 0x586)],
    "Georgian": [(0x10D0, 0x10FA)],
    "Hebrew": [(0x5D0, 0x5EA), (0x5B0, 0x5BD)],
    "Arabic": [(0x620, 0x652), (0x671, 0x6D3)],
    "Syriac": [(0x710, 0x72F)],
    "Thaana": [(0x780, 0x7B0)],
    "N'Ko": [(0x7CA, 0x7EA)],
    "Adlam": [(0x1E900, 0x1E943)],
    "Devanagari": [(0x904, 0x939), (0x93E, 0x94D)],
    "Bengali": [(0x985, 0x98C), (0x9BE, 0x9C4)],
    "Tamil": [(0xB85, 0xB8A), (0xBBE, 0xBC2)],
    "Thai": [(0xE01, 0xE3A), (0xE40, 0xE4E)],
    "Khmer": [(0x1780, 0x17B3), (0x17B6, 0x17D3)],
    "Ethiopic": [(0x1200, 0x1248)],
    "Hangul": [(0xAC00, 0xD7A3)],
    "Kana": [(0x3041, 0x3096), (0x30A1, 0x30FA)],
    "Han": [(0x4E00, 0x9FFF), (0x20000, 0x2A6DF)],
}
COMPOSER = Composer(
    5, "notes", TOPIC, render_notes(NOTES, {}, settings_for(25)), settings_for(25), installation="i"
)


def letters(script: str) -> st.SearchStrategy[str]:
    return st.one_of(*(st.characters(min_codepoint=a, max_codepoint=b) for a, b in SCRIPTS[script]))


@st.composite
def names(draw: st.DrawFn) -> str:
    """One to three words of one script, with signs that names have."""
    letter = letters(draw(st.sampled_from(sorted(SCRIPTS))))
    words = st.text(letter, min_size=1, max_size=24).filter(
        lambda word: word[0].isalpha() and all(unicodedata.category(one) != "Cn" for one in word)
    )
    separator = draw(st.sampled_from([" ", "-", "'", "’", "\N{ZERO WIDTH NON-JOINER}", "\N{MIDDLE DOT}"]))
    return separator.join(draw(st.lists(words, min_size=1, max_size=3))) + draw(
        st.sampled_from(["", "", ".", ")"])
    )


def mail(first_name: str, surname: str, salutation: str = "Ms") -> EmailMessage:
    person = Example(salutation, first_name, surname, "a@example.org")
    return message_from_bytes(bytes(COMPOSER.sample(NOW, person)[1]), policy=policy.default)


@settings(max_examples=25, deadline=None)
@given(names(), names())
@example("نور", "الهاشمي")
@example("נועה", "כהן (גרוס)")
@example("小明", "王")
@example("กิตติพงษ์", "ศรีสุวรรณ")
@example("Zoë", "de Vries")
@example("அ" * 60, "क्षेत्रपाल")
def test_a_name_of_any_script_is_whole_in_the_header_the_greeting_and_the_text(first_name: str, surname: str):
    message = mail(first_name, surname)
    (recipient,) = message["To"].addresses
    assert recipient.display_name.replace(" ", "") == f"{first_name}{surname}".replace(" ", "")
    assert recipient.addr_spec == "a@example.org"
    html, text = (message.get_body((kind,)) for kind in ("html", "plain"))
    assert html is not None
    assert text is not None
    greeting = f"Dear Ms {surname},"
    assert greeting in unescape(re.sub(r"<[^>]*>", "", html.get_content()))
    assert greeting in text.get_content().translate(dict.fromkeys(map(ord, "\u2068\u2069")))


@pytest.mark.parametrize("name", ["نور", "נועה!", "ދިވެހި", "\U0001e900\U0001e922", "Noor نور"])
def test_a_name_from_right_to_left_is_isolated_in_both_parts(name: str):
    message = mail(name, "", "")
    html, text = (message.get_body((kind,)) for kind in ("html", "plain"))
    assert html is not None
    assert text is not None
    assert f"Dear <bdi>{name}</bdi>," in html.get_content()
    assert f"Dear \u2068{name}\u2069," in text.get_content()


@pytest.mark.parametrize("name", ["Zoë", "小明", "กิตติพงษ์", "Łukasz", "Ποσειδών", "Тарас"])
@pytest.mark.parametrize("locale", ["nl", "en"])
def test_other_names_have_no_characters_beside_their_own(name: str, locale: Literal["nl", "en"]):
    assert greet(locale, "", name, "").split(" ", 1)[1] == name
