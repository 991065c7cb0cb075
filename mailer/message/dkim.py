"""DKIM signatures (RFC 6376) with rsa-sha256 (RFC 8301) and ed25519-sha256 (RFC 8463), relaxed/relaxed.

A `Signer` holds a key. `mailer.message.signature` makes the fields; it needs only the `KeyName`, so that another
process than the one that composes can sign (`mailer.signing`).
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, assert_never

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mailer.errors import ConfigurationError, InvalidInput
from mailer.files import read_file
from mailer.message.signature import KeyName

MINIMUM_RSA_BITS: Final = 2048
_LARGEST = 100_000  # bytes of a key's file

_DOMAIN = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_SELECTOR = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_TXT_STRING_LIMIT = 255  # RFC 1035, section 3.3
_ED25519_LENGTH = 64
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
            raise ConfigurationError(
                f"The DKIM domain {self.domain!r} is not a domain name in ASCII.",
                hint="Write it as acme.example.",
            )
        if not _SELECTOR.fullmatch(self.selector):
            raise ConfigurationError(
                f"The DKIM selector {self.selector!r} is not a DNS label.",
                hint="Use letters, digits, dots and dashes, such as mailer2026.",
            )
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


def load_file(path: Path, *, domain: str, selector: str) -> DkimKey:
    """A key from a file. Raises ConfigurationError."""
    try:
        pem = read_file(path, _LARGEST)
    except InvalidInput as error:
        raise ConfigurationError(f"The DKIM key {path} {error.reason}.") from None
    except OSError as error:
        raise ConfigurationError(
            f"The DKIM key {path} can't be read: {error.strerror}.", hint="Make one with `mailer keys dkim`."
        ) from None
    return load(pem, domain=domain, selector=selector)


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

    @property
    def name(self) -> KeyName:
        """What its signatures say about the key."""
        return KeyName(self.key.domain, self.key.selector, self.key.algorithm.value)

    @property
    def length(self) -> int:
        """The number of octets of a signature."""
        private_key = self.key.private_key
        return private_key.key_size // 8 if isinstance(private_key, RSAPrivateKey) else _ED25519_LENGTH

    def sign(self, digest: bytes) -> bytes:
        """The signature over a SHA-256 digest (for Ed25519 the digest is the message, RFC 8463, section 3)."""
        private_key = self.key.private_key
        if isinstance(private_key, RSAPrivateKey):
            return private_key.sign(digest, _PADDING, _DIGEST)
        return private_key.sign(digest)
