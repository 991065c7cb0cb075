"""Email addresses: parsing, the normalised spelling, and keyed hashes.

Error messages do not contain the address, because reports and logs contain the messages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from mailer.errors import InvalidInput
from mailer.keyed_hash import KeyedHash, key_id

if TYPE_CHECKING:
    from mailer.config import KeyRing

_PURPOSE = b"release-mailer address 1\0"

# RFC 5321: 4.1.2 (dot-string), 4.5.3.1.1 (local part), 4.5.3.1.3 (path, less its angle brackets)
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LONGEST_LOCAL_PART = 64
_LONGEST_ADDRESS = 254
# Far beyond what IDNA makes 253 octets of; what is longer would only take up memory among the domains known.
_LONGEST_RAW_DOMAIN = 1000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]")


# Named tuples, because an import makes a million of each.
class EmailAddress(NamedTuple):
    """An address for the envelope, and its normalised spelling, which identifies a person.

    `spelling` is ASCII: the local part unchanged, the domain in lower case and IDNA form. `key` has the local
    part in lower case too.
    """

    spelling: str
    key: str


class HashedAddress(NamedTuple):
    """The HMAC-SHA256 (hex) of an address, and the id of its key. It remains after an erasure."""

    hash: str
    key_id: str


class AddressHasher:
    """Hashes addresses with all secret keys, oldest first. New hashes use the newest key."""

    def __init__(self, keys: Sequence[bytes], prepared: bytes | None = None) -> None:
        self._keys = [(KeyedHash(key, _PURPOSE), key_id(key)) for key in reversed(keys)]
        if prepared is not None:  # other hosts may hash with it already
            self._keys.append((KeyedHash(prepared, _PURPOSE), key_id(prepared)))

    @classmethod
    def of(cls, ring: KeyRing) -> AddressHasher:
        """The hasher with the keys of a ring, the prepared one too."""
        return cls(ring.keys, ring.prepared)

    def newest(self, email_normalised: str) -> HashedAddress:
        """The hash under the newest key."""
        keyed, name = self._keys[0]
        return HashedAddress(keyed.digest(email_normalised.encode()).hex(), name)

    def every(self, email_normalised: str) -> list[HashedAddress]:
        """The hashes under every key, the newest first."""
        octets = email_normalised.encode()
        return [HashedAddress(keyed.digest(octets).hex(), name) for keyed, name in self._keys]

    @property
    def key_ids(self) -> frozenset[str]:
        """The ids of all keys."""
        return frozenset(name for _, name in self._keys)


def normalise(raw: str) -> EmailAddress:
    """Parse an address (RFC 5321 dot-string at a domain name; no display name, comment or quoted local part).

    Raises InvalidInput, with a reason that does not repeat the address. The domain's existence is not looked
    up.
    """
    local_part, _, domain = raw.rpartition("@")
    readable = _LOCAL_PART.fullmatch(local_part) and len(domain) <= _LONGEST_RAW_DOMAIN
    ascii_domain = _ascii_domain(domain) if readable else None
    if ascii_domain is not None and len(local_part) <= _LONGEST_LOCAL_PART:
        spelling = f"{local_part}@{ascii_domain}"
        if len(spelling) <= _LONGEST_ADDRESS:
            return EmailAddress(spelling, spelling.lower())
    raise InvalidInput(_why_not(raw, ascii_domain))


def _why_not(raw: str, ascii_domain: str | None) -> str:  # noqa: PLR0911 - a reason each
    local_part, at, _ = raw.rpartition("@")
    if not raw:
        return "there is no address"
    if _CONTROL.search(raw):
        return "the address contains a line break or another control character"
    if _BLANK.search(raw):
        return "the address contains a space"
    if not at or "@" in local_part:
        return "the address does not have exactly one @"
    if not local_part.isascii():
        return "the part before the @ has letters outside ASCII, which need SMTPUTF8; that is not supported"
    if not _LOCAL_PART.fullmatch(local_part):
        return "the part before the @ is not a name that mail can be sent to"
    if len(local_part) > _LONGEST_LOCAL_PART:
        return f"the part before the @ is longer than {_LONGEST_LOCAL_PART} characters"
    if ascii_domain is None:
        return "the part after the @ is not a domain that mail can be sent to"
    return f"the address is longer than {_LONGEST_ADDRESS} characters"


# A campaign's audience shares few domains; email-validator takes some 30 µs for each.
@lru_cache(maxsize=10_000)
def _ascii_domain(domain: str) -> str | None:
    if _BLANK.search(domain):
        return None
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 - slow to import, and sending parses none

    try:
        # `test_environment` lets .test pass (RFC 2606), which is for trying things out; nothing else.
        validated = validate_email(f"x@{domain}", check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return None
    return validated.ascii_domain.lower()


def readable_address(email: str) -> str:
    """The address with a readable domain, such as ann@bücher.example; unchanged where IDNA can't decode it."""
    import idna  # noqa: PLC0415 - as above

    local, at, domain = email.rpartition("@")
    try:
        return f"{local}{at}{idna.decode(domain)}" if "xn--" in domain else email
    except idna.IDNAError:
        return email


def mask_email(email: str) -> str:
    """A masked address that its owner recognises: ``z…@example.com``."""
    local_part, _, domain = str(email).rpartition("@")
    return f"{local_part[:1]}…@{domain}"
