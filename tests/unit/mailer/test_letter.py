"""A letter: a complete, signed mail to one person that is no mail to a list."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy

import dkim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.errors import InvalidInput
from mailer.message import InlineImage, Mailbox
from mailer.message.dkim import Algorithm, Signer, dns_record, generate
from mailer.message.letter import Letter, compose_letter

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
LOGO = InlineImage("logo@image", "image/png", b"\x89PNG")
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=200)


def letter(**values: object) -> Letter:
    base = {
        "sender": Mailbox("Acme", "news@acme.example"),
        "to": Mailbox("", "zoe@example.com"),
        "subject": "Bevestig · Acme",
        "text": "Goedendag\n",
        "html": "<p>Goedendag</p>",
        "language": "nl",
    }
    return Letter(**(base | values))  # type: ignore[arg-type]


@given(text=TEXTS, html=TEXTS)
@settings(max_examples=30)
def test_both_texts_arrive_as_they_were(text: str, html: str) -> None:
    content = bytes(compose_letter(letter(text=text, html=html), NOW))
    message = message_from_bytes(content, policy=policy.default)
    assert not message.defects
    assert content.isascii()
    assert message.get_body(("plain",)).get_content().rstrip("\r\n") == text.rstrip("\n")
    assert message.get_body(("html",)).get_content().rstrip("\r\n") == html.rstrip("\n")


def test_a_logo_is_inside_the_mail() -> None:
    message = message_from_bytes(bytes(compose_letter(letter(images=(LOGO,)), NOW)), policy=policy.default)
    [image] = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert image["Content-ID"] == "<logo@image>"
    assert image.get_content() == LOGO.data


def test_the_size_is_that_of_the_bytes() -> None:
    content = compose_letter(letter(), NOW)
    assert content.size == len(bytes(content))


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_another_program_verifies_the_signature(algorithm: Algorithm) -> None:
    key = generate(algorithm, domain="acme.example", selector="s1")
    content = bytes(compose_letter(letter(images=(LOGO,)), NOW, [Signer(key)]))

    def published(_name: bytes, timeout: int = 5) -> bytes:
        return dns_record(key).text.encode()

    assert dkim.verify(content, dnsfunc=published)
    assert not dkim.verify(content.replace(b"Goedendag", b"Goedenacht"), dnsfunc=published)


def test_no_two_letters_have_one_message_id() -> None:
    first, second = (
        message_from_bytes(bytes(compose_letter(letter(), NOW)), policy=policy.default) for _ in range(2)
    )
    assert first["Message-ID"] != second["Message-ID"]


@pytest.mark.parametrize("field", ["subject", "text"])
def test_what_no_mail_can_hold_is_refused(field: str) -> None:
    with pytest.raises(InvalidInput):
        compose_letter(letter(**{field: "a\ud800\nb"}), NOW)
