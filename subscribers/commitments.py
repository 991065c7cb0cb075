"""What a ledger entry says of a person, a wording and a note: a SHA-256 that binds it, and that nobody can read.

Each is hex. Who has the nonce or the salt can show what was committed to; once that is deleted, nobody can.
"""

from __future__ import annotations

import secrets
from hashlib import sha256
from json.encoder import encode_basestring as json_string

NONCE_BYTES = 16

# How an address becomes the octets that are committed to; docs/consent.md has the rules and test vectors.
ADDRESS_NORMALISATION = 1


def fresh_nonce() -> bytes:
    """128 random bits, for one person, note or suppression."""
    return secrets.token_bytes(NONCE_BYTES)


def fresh_nonces(count: int) -> list[bytes]:
    """As many nonces, in one call of the system."""
    octets = secrets.token_bytes(NONCE_BYTES * count)
    return [octets[start : start + NONCE_BYTES] for start in range(0, len(octets), NONCE_BYTES)]


def commit_to_subject(nonce: bytes, address_key: str) -> str:
    """The commitment to a person: to their normalised address (`EmailAddress.key`)."""
    return sha256(nonce + address_key.encode()).hexdigest()


def commit_to_suppressed(salt: bytes, address_hash: str) -> str:
    """The commitment to a suppressed address: to its keyed hash, which is hex."""
    return sha256(salt + bytes.fromhex(address_hash)).hexdigest()


def commit_to_note(salt: bytes, note: str) -> str:
    """The commitment to a free text beside an entry."""
    return sha256(salt + note.encode()).hexdigest()


def text_hash(wording: str) -> str:
    """The SHA-256 of a wording's text. Commands and API requests name a wording by it."""
    return sha256(wording.encode()).hexdigest()


def commit_to_wording(text_sha256: str, *, language: str, topic: str, version: str) -> str:
    """The commitment to a wording: of the canonical JSON (RFC 8785) of these four."""
    return sha256(
        f'{{"language":{json_string(language)},"text_sha256":{json_string(text_sha256)},'
        f'"topic":{json_string(topic)},"version":{json_string(version)}}}'.encode()
    ).hexdigest()
