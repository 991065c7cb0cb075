"""DKIM signatures (RFC 6376) with rsa-sha256 (RFC 8301) and ed25519-sha256 (RFC 8463), relaxed/relaxed.

A `Signer` holds a key. A `SignatureTemplate` holds what the signatures over all messages of one campaign have in common:
the fixed fields are canonicalised and digested once, so that a message costs one digest and one signature for each
key. The body must be its own relaxed canonical form, as `mailer.message.quoted_printable` writes it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, assert_never

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mailer.errors import ConfigurationError

SIGNED_FIELDS: Final = (
    "From", "Reply-To", "Subject", "MIME-Version", "Content-Type", "List-Id", "List-Archive",
    "List-Unsubscribe-Post", "Feedback-ID", "Date", "To", "Message-ID", "List-Unsubscribe",
)  # fmt: skip
"""What a signature covers where it is present. From is named once more than it occurs, so that no second
one can be added (RFC 6376, section 8.15)."""

MINIMUM_RSA_BITS: Final = 2048

_DOMAIN = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_SELECTOR = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_TXT_STRING_LIMIT = 255  # RFC 1035, section 3.3
_FOLD = 72
_PADDING = padding.PKCS1v15()
_DIGEST = utils.Prehashed(hashes.SHA256())


class Algorithm(StrEnum):
    """The signature algorithms, as the ``a=`` tag names them."""

    RSA_SHA256 = "rsa-sha256"
    ED25519_SHA256 = "ed25519-sha256"


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A private key with the place of its public half in DNS.

    Raises ConfigurationError for an RSA key below 2048 bits, or a domain or selector that DNS can't hold.
    """

    domain: str
    selector: str
    private_key: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        if not _DOMAIN.fullmatch(self.domain):
            raise ConfigurationError(f"DKIM domain {self.domain!r} is not a domain name in ASCII")
        if not _SELECTOR.fullmatch(self.selector):
            raise ConfigurationError(f"DKIM selector {self.selector!r} is not a DNS label")
        if isinstance(self.private_key, RSAPrivateKey) and self.private_key.key_size < MINIMUM_RSA_BITS:
            raise ConfigurationError(
                f"the DKIM key {self.dns_name} has {self.private_key.key_size} bits; "
                f"RFC 8301 asks for {MINIMUM_RSA_BITS} or more",
                hint="Make a new one with `mailer keys dkim`.",
            )

    @property
    def algorithm(self) -> Algorithm:
        match self.private_key:
            case RSAPrivateKey():
                return Algorithm.RSA_SHA256
            case Ed25519PrivateKey():
                return Algorithm.ED25519_SHA256
            case _:  # pragma: no cover
                assert_never(self.private_key)

    @property
    def dns_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"

    def pem(self) -> bytes:
        """The private key as unencrypted PKCS #8; a secret, for a file with mode 0600."""
        return self.private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def load(pem: bytes, *, domain: str, selector: str) -> DkimKey:
    """A key from unencrypted PEM (PKCS #8 or PKCS #1). Raises ConfigurationError."""
    where = f"{selector}._domainkey.{domain}"
    try:
        private_key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(
            f"the DKIM key for {where} is not an unencrypted private key in PEM",
            hint="Make one with `mailer keys dkim`.",
        ) from error
    if not isinstance(private_key, RSAPrivateKey | Ed25519PrivateKey):
        raise ConfigurationError(f"the DKIM key for {where} is neither RSA nor Ed25519")
    return DkimKey(domain, selector, private_key)


def generate(algorithm: Algorithm, *, domain: str, selector: str) -> DkimKey:
    """A new key: RSA of 2048 bits (larger ones don't fit in some resolvers' answers) or Ed25519."""
    match algorithm:
        case Algorithm.RSA_SHA256:
            return DkimKey(domain, selector, rsa.generate_private_key(65537, MINIMUM_RSA_BITS))
        case Algorithm.ED25519_SHA256:
            return DkimKey(domain, selector, Ed25519PrivateKey.generate())
        case _:  # pragma: no cover
            assert_never(algorithm)


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """The TXT record that publishes a key (RFC 6376, section 3.6)."""

    name: str
    text: str

    @property
    def strings(self) -> tuple[str, ...]:
        """The text in the pieces of at most 255 octets that a TXT record is made of."""
        text = self.text
        return tuple(text[i : i + _TXT_STRING_LIMIT] for i in range(0, len(text), _TXT_STRING_LIMIT))

    @property
    def zone_line(self) -> str:
        """The record as a line for a zone file."""
        quoted = " ".join(f'"{string}"' for string in self.strings)
        return f"{self.name}. IN TXT ( {quoted} )"


def dns_record(key: DkimKey) -> DnsRecord:
    """The record that receivers look the public key up in."""
    match key.private_key:
        case RSAPrivateKey():
            kind, encoding, form = (
                "rsa",
                serialization.Encoding.DER,
                serialization.PublicFormat.SubjectPublicKeyInfo,
            )
        case Ed25519PrivateKey():
            kind, encoding, form = "ed25519", serialization.Encoding.Raw, serialization.PublicFormat.Raw
        case _:  # pragma: no cover
            assert_never(key.private_key)
    public = base64.b64encode(key.private_key.public_key().public_bytes(encoding, form)).decode("ascii")
    return DnsRecord(key.dns_name, f"v=DKIM1; k={kind}; p={public}")


class Signer:
    """Signs digests with one key."""

    __slots__ = ("key",)

    def __init__(self, key: DkimKey) -> None:
        self.key = key

    def sign(self, digest: bytes) -> bytes:
        """The signature over a SHA-256 digest (for Ed25519 the digest is the message, RFC 8463, section 3)."""
        private_key = self.key.private_key
        if isinstance(private_key, RSAPrivateKey):
            return private_key.sign(digest, _PADDING, _DIGEST)
        return private_key.sign(digest)


class SignatureTemplate:
    """The signatures of a campaign. What does not change between its messages is digested once.

    `fixed` are the field lines that all messages share, `personal` the names of the fields that follow
    with each message, `opening` the bytes with which every body begins.
    """

    __slots__ = ("_fields", "_opening", "_signature_fields")

    def __init__(
        self, signers: Sequence[Signer], *, fixed: Iterable[bytes], personal: Sequence[str], opening: bytes
    ) -> None:
        lines = {_name(line): line for line in fixed}
        signed = [name for name in SIGNED_FIELDS if name in lines]
        self._fields = hashlib.sha256(b"".join(canonical(lines[name]) for name in signed))
        self._opening = hashlib.sha256(opening)
        covered = ["From", *signed, *personal]
        self._signature_fields = tuple(_SignatureField(signer, covered) for signer in signers)

    def signatures(self, personal: Iterable[bytes], rest: bytes, at: int) -> bytes:
        """The DKIM-Signature fields, one a key, for the message with these lines and this rest of a body.

        `personal` are the lines named at the start, in that order; `at` is the time in seconds since 1970.
        """
        body = self._opening.copy()
        body.update(rest)
        body_hash = binascii.b2a_base64(body.digest(), newline=False)
        fields = self._fields.copy()
        fields.update(b"".join(map(canonical, personal)))
        return b"".join(
            [
                signature_field.field(fields.copy(), body_hash, at)
                for signature_field in self._signature_fields
            ]
        )


class _SignatureField:
    """One signer's DKIM-Signature field, ready but for time, body hash and signature."""

    __slots__ = ("_canonical", "_folded", "_signer")

    def __init__(self, signer: Signer, covered: Sequence[str]) -> None:
        key = signer.key
        groups = (covered[i : i + 5] for i in range(0, len(covered), 5))
        names = ":\r\n  ".join(":".join(group) for group in groups)
        self._signer = signer
        self._folded = (
            f"DKIM-Signature: v=1; a={key.algorithm}; c=relaxed/relaxed;\r\n"
            f" d={key.domain};\r\n s={key.selector};\r\n h={names};\r\n t="
        ).encode()
        self._canonical = canonical(self._folded).removesuffix(b"\r\n")

    def field(self, fields: hashlib._Hash, body_hash: bytes, at: int) -> bytes:
        fields.update(b"%b%d; bh=%b; b=" % (self._canonical, at, body_hash))
        signature = binascii.b2a_base64(self._signer.sign(fields.digest()), newline=False)
        folded = b"\r\n ".join([signature[i : i + _FOLD] for i in range(0, len(signature), _FOLD)])
        return b"%b%d;\r\n bh=%b;\r\n b=%b\r\n" % (self._folded, at, body_hash, folded)


def canonical(line: bytes) -> bytes:
    """A field in relaxed canonical form (RFC 6376, section 3.4.2); it has no control characters but folds."""
    name, _, value = line.partition(b":")
    return b"%b:%b\r\n" % (name.lower(), b" ".join(value.split()))


def _name(line: bytes) -> str:
    return line.partition(b":")[0].decode("ascii")
