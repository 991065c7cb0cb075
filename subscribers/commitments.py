"""Commitments: a ledger entry names a person, a wording or a note by a SHA-256 (hex) that does not reveal it.

The nonce or salt is needed to show what a commitment stands for. Once it is deleted, nobody can.
"""

from __future__ import annotations

import secrets
from hashlib import sha256
from json.encoder import encode_basestring as json_string

NONCE_BYTES = 16


def fresh_nonce() -> bytes:
    """A nonce: 128 random bits, for one person, note or suppression."""
    return secrets.token_bytes(NONCE_BYTES)


def fresh_nonces(count: int) -> list[bytes]:
    """Several nonces, with one system call."""
    octets = secrets.token_bytes(NONCE_BYTES * count)
    return [octets[start : start + NONCE_BYTES] for start in range(0, len(octets), NONCE_BYTES)]


def commit_to_subject(nonce: bytes, address_key: str) -> str:
    """The commitment to a person by their normalised address (`EmailAddress.key`; docs/consent.md has the
    rules).
    """
    return sha256(nonce + address_key.encode()).hexdigest()


def commit_to_suppressed(salt: bytes, address_hash: str) -> str:
    """The commitment to a suppressed address by its keyed hash (hex)."""
    return sha256(salt + bytes.fromhex(address_hash)).hexdigest()


def commit_to_note(salt: bytes, note: str) -> str:
    """The commitment to a free text beside an entry."""
    return sha256(salt + note.encode()).hexdigest()


def text_hash(wording: str) -> str:
    """The SHA-256 of a wording's text. Commands and API requests name a wording by it."""
    return sha256(wording.encode()).hexdigest()


def commit_to_wording(text_sha256: str, *, language: str, topic: str, version: str) -> str:
    """The commitment to a wording: the hash of the canonical JSON (RFC 8785) of these four texts."""
    return sha256(
        f'{{"language":{json_string(language)},"text_sha256":{json_string(text_sha256)},'
        f'"topic":{json_string(topic)},"version":{json_string(version)}}}'.encode()
    ).hexdigest()
