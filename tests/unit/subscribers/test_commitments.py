"""Commitments: each is the SHA-256 of the octets that docs/consent.md names, and nonces are never the same."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers import commitments

SALT = bytes(range(16))
LINES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(LINES)
def test_a_person_and_a_note_are_committed_to_by_salt_and_text(text: str) -> None:
    expected = sha256(SALT + text.encode("utf-8")).hexdigest()
    assert commitments.commit_to_subject(SALT, text) == commitments.commit_to_note(SALT, text) == expected


def test_a_suppressed_address_is_committed_to_by_the_octets_of_its_keyed_hash() -> None:
    assert commitments.commit_to_suppressed(SALT, "00ff10") == sha256(SALT + b"\x00\xff\x10").hexdigest()


def test_a_wording_s_text_has_the_hash_of_its_octets() -> None:
    assert commitments.text_hash("Ja, graag. ✓") == sha256("Ja, graag. ✓".encode()).hexdigest()


@given(st.tuples(LINES, LINES, LINES, LINES))
def test_a_wording_is_committed_to_by_the_canonical_json_of_four_texts(texts: tuple[str, ...]) -> None:
    values = dict(zip(("text_sha256", "language", "topic", "version"), texts, strict=True))
    canonical = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert commitments.commit_to_wording(**values) == sha256(canonical.encode()).hexdigest()


@pytest.mark.parametrize("count", [0, 1, 3, 1000])
def test_nonces_have_128_bits_and_no_two_are_the_same(count: int) -> None:
    nonces = [*commitments.fresh_nonces(count), commitments.fresh_nonce()]
    assert {len(nonce) for nonce in nonces} == {16}
    assert len(set(nonces)) == count + 1
