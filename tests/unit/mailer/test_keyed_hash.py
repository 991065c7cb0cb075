"""HMACs: the standard library's, whatever the key, the purpose and the message."""

from __future__ import annotations

import hashlib
import hmac

from hypothesis import example, given
from hypothesis import strategies as st

from mailer.keyed_hash import KeyedHash, key_id


@given(st.binary(max_size=100), st.binary(max_size=100), st.binary(max_size=3000))
@example(b"k" * 64, b"", b"")
@example(b"k" * 65, b"p" * 64, b"m" * 64)
def test_a_digest_is_the_standard_librarys(key: bytes, purpose: bytes, message: bytes):
    assert KeyedHash(key, purpose).digest(message) == hmac.digest(key, purpose + message, "sha256")


def test_a_digest_leaves_nothing_behind_for_the_next():
    keyed = KeyedHash(b"key")
    assert keyed.digest(b"a") == keyed.digest(b"a") != keyed.digest(b"b")


def test_a_key_id_is_short_and_not_the_plain_digest_of_the_key():
    assert len(key_id(b"key")) == 16
    assert not hashlib.sha256(b"key").hexdigest().startswith(key_id(b"key"))
