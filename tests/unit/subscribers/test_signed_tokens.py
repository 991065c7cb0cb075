"""Signed tokens: what comes back is what was signed, for the same purpose and installation only."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.config import FixedKeys, KeyRing
from subscribers.pending_requests import LinkTarget, RequestKind, RequestLinks
from subscribers.signed_tokens import SignedTokens, UnknownToken
from templates.language import LOCALES, Locale

OLD, NEW, NEXT = (letter * 40 for letter in (b"o", b"n", b"x"))


def tokens(
    *keys: bytes, purpose: bytes = b"test", installation: str = "1" * 32, prepared: bytes | None = None
) -> SignedTokens:
    return SignedTokens(FixedKeys(KeyRing(keys or (OLD,), prepared)), purpose, installation)


@given(st.text(max_size=60).filter(lambda text: len(text.encode()) <= 120))
@settings(max_examples=30)
def test_a_token_gives_its_text_back(text: str) -> None:
    assert tokens().read(tokens().make(text)) == text


@given(st.data())
@settings(max_examples=50)
def test_an_altered_token_is_refused(data: st.DataObject) -> None:
    token = tokens().make("12.sign_up.nl")
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda character: character != token[at]))
    with pytest.raises(UnknownToken):
        tokens().read(token[:at] + other + token[at + 1 :])


@given(st.text(max_size=500))
@settings(max_examples=50)
def test_whatever_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(UnknownToken):
        tokens().read(text)


@pytest.mark.parametrize(
    "reader",
    [tokens(purpose=b"other"), tokens(installation="2" * 32), tokens(NEW)],
    ids=["purpose", "installation", "key"],
)
def test_a_token_is_of_one_purpose_installation_and_key(reader: SignedTokens) -> None:
    with pytest.raises(UnknownToken):
        reader.read(tokens().make("text"))


@pytest.mark.parametrize("reader", [tokens(OLD, NEW), tokens(NEW, prepared=OLD)])
def test_a_token_survives_a_rotation(reader: SignedTokens) -> None:
    assert reader.read(tokens(OLD).make("text")) == "text"


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", list(RequestKind))
def test_a_request_s_link_leads_back_to_it(kind: RequestKind, locale: Locale) -> None:
    links = RequestLinks(FixedKeys(KeyRing((OLD,))), "1" * 32, "https://mail.example.com")
    target = LinkTarget(7, datetime(2026, 11, 28, 9, 0, 0, 1, tzinfo=UTC), kind, locale)
    url = links.url(target)
    assert url.startswith(f"https://mail.example.com/{'me' if kind is RequestKind.OWN_DATA else 'confirm'}/")
    assert links.read(url.rpartition("/")[2], {kind}) == target
    with pytest.raises(UnknownToken):
        links.read(url.rpartition("/")[2], set(RequestKind) - {kind})
