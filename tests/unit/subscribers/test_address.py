"""Addresses: which are mailable, which are one person, and what their hashes give away."""

from __future__ import annotations

import hmac
import unicodedata

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from mailer.errors import InvalidInput
from mailer.keyed_hash import key_id
from subscribers.address import AddressHasher, normalise

OLD, NEW = b"an old key, 32 characters or more", b"a new key, 32 characters or more."


@pytest.mark.parametrize(
    ("raw", "spelling", "key"),
    [
        ("jan@example.com", "jan@example.com", "jan@example.com"),
        ("JAN.de.Vries+news@Example.COM", "JAN.de.Vries+news@example.com", "jan.de.vries+news@example.com"),
        ("o'brien@example.org", "o'brien@example.org", "o'brien@example.org"),
        ("jan@exämple.nl", "jan@xn--exmple-cua.nl", "jan@xn--exmple-cua.nl"),
        ("jan@EXÄMPLE.nl", "jan@xn--exmple-cua.nl", "jan@xn--exmple-cua.nl"),
        ("jan@exa\u0308mple.nl", "jan@xn--exmple-cua.nl", "jan@xn--exmple-cua.nl"),
        ("jan@XN--EXMPLE-CUA.nl", "jan@xn--exmple-cua.nl", "jan@xn--exmple-cua.nl"),
        ("jan@shop.test", "jan@shop.test", "jan@shop.test"),
    ],
)
def test_spellings_of_one_address_share_a_key(raw: str, spelling: str, key: str) -> None:
    address = normalise(raw)
    assert (address.spelling, address.key) == (spelling, key)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "no address"),
        ("jan", "exactly one @"),
        ("jan@piet@example.com", "exactly one @"),
        ("@example.com", "before the @"),
        ("jan.@example.com", "before the @"),
        (".jan@example.com", "before the @"),
        ("j..an@example.com", "before the @"),
        ('"jan"@example.com', "before the @"),
        ("jan(work)@example.com", "before the @"),
        ("jan de vries@example.com", "space"),
        ("jan@example.com ", "space"),
        ("jan\u00a0@example.com", "space"),
        ("jan@example.com\n", "line break"),
        ("jan@example.com\r\nBcc: all@example.org", "line break"),
        ("jan\x00@example.com", "control character"),
        ("jan\u2028@example.com", "line break"),
        ("jan\udce9@example.com", "control character"),
        ("zoë@example.com", "SMTPUTF8"),
        ("j" * 65 + "@example.com", "longer than 64"),
        ("jan@" + ".".join(["a" * 62] * 4) + ".nl", "longer than 254|not a domain"),
        ("jan@", "after the @"),
        ("jan@localhost", "after the @"),
        ("jan@" + "a." * 500 + "nl", "after the @"),
        ("jan@[127.0.0.1]", "after the @"),
        ("jan@example..com", "after the @"),
        ("jan@-example.com", "after the @"),
        ("Jan <jan@example.com>", "space"),
        ("<jan@example.com>", "before the @"),
    ],
)
def test_what_is_refused_is_refused_with_its_reason(raw: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        normalise(raw)


@given(st.text(max_size=40) | st.emails() | st.from_regex(r"[a-z.@\s\x00-\x7f]{1,30}"))
@example("secret@b@c.nl")
def test_a_refusal_never_repeats_the_address(raw: str) -> None:
    reason = ""
    try:
        normalise(raw)
    except InvalidInput as error:
        reason = str(error)
    assert len(raw) < 10 or raw.strip() not in reason


@given(st.emails() | st.from_regex(r"\A[A-Za-z0-9.+_'-]{1,66}@[A-Za-z0-9.-]{1,30}\.(nl|com|test)\Z"))
def test_it_accepts_what_email_validator_accepts_and_spells_it_alike(raw: str) -> None:
    try:
        expected = validate_email(raw, check_deliverability=False, test_environment=True).ascii_email
    except EmailNotValidError:
        expected = None
    try:
        spelling = normalise(raw).spelling
    except InvalidInput:
        assert expected is None
    else:
        assert spelling == expected


@given(st.emails())
def test_normalising_a_spelling_or_a_key_again_changes_nothing(raw: str) -> None:
    try:
        address = normalise(raw)
    except InvalidInput:
        return
    assert normalise(address.spelling) == address
    assert normalise(address.key).key == address.key
    assert unicodedata.is_normalized("NFC", address.spelling)
    assert address.spelling.isascii()


def test_an_address_has_another_hash_under_another_key() -> None:
    hashed = AddressHasher([OLD, NEW])
    assert hashed.newest("jan@example.com") == AddressHasher([NEW]).newest("jan@example.com")
    assert hashed.newest("jan@example.com").key_id == key_id(NEW)
    assert [one.key_id for one in hashed.every("jan@example.com")] == [key_id(NEW), key_id(OLD)]
    assert hashed.key_ids == {key_id(OLD), key_id(NEW)}
    newest, oldest = hashed.every("jan@example.com")
    assert newest.hash != oldest.hash


def test_the_hash_is_the_hmac_of_a_purpose_and_the_address() -> None:
    """Purpose is part of what is hashed, so that a value made for one purpose serves no other."""
    expected = hmac.digest(NEW, b"release-mailer address 1\0jan@example.com", "sha256").hex()
    assert AddressHasher([NEW]).newest("jan@example.com").hash == expected
