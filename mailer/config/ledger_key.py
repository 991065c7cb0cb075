"""The Ed25519 key that signs the consent ledger's checkpoints, in a file beside the secrets.

Keys and signed texts have the format of C2SP signed-note: a private key is a line `PRIVATE+KEY+NAME+ID+BASE64`, a
public key (vkey) is `NAME+ID+BASE64`. The database alone is not enough to sign.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mailer.errors import ConfigurationError
from mailer.files import locked_folder, write_file

_ED25519 = b"\x01"
_START = "PRIVATE+KEY+"

ROTATION = "release-mailer consent ledger: its next key 1"


class FormerKey(NamedTuple):
    """A public key (vkey), and the note that it signed about the key after it."""

    vkey: str
    note: str


@dataclass(frozen=True, slots=True)
class LedgerKey:
    """A signing key. `name` is also the ledger's origin. `seed` has 32 secret octets.

    `former` are the keys before it, the newest first. What they signed stays valid.
    """

    name: str
    seed: bytes = field(repr=False)
    former: tuple[FormerKey, ...] = ()

    @property
    def public(self) -> bytes:
        """The public key's 32 octets."""
        return _private_key(self.seed).public_key().public_bytes_raw()

    @property
    def id(self) -> bytes:
        """The four octets that name the key in a signature."""
        return _key_id(self.name, self.seed)

    @property
    def vkey(self) -> str:
        """The public key in its published form."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    def sign(self, text: str) -> str:
        """The signed note of `text`, which ends with a line break."""
        signature = _private_key(self.seed).sign(text.encode())
        return f"{text}\n\u2014 {self.name} {base64.b64encode(self.id + signature).decode()}\n"

    def open(self, note: str) -> str | None:
        """The text of a note that this key or a former one signed; None for any other note."""
        for vkey in (self.vkey, *(one.vkey for one in self.former)):
            if (text := open_note(note, vkey)) is not None:
                return text
        return None

    def rotated(self) -> LedgerKey:
        """A fresh key of the same name, which this one signs."""
        fresh = LedgerKey(self.name, secrets.token_bytes(32))
        former = FormerKey(self.vkey, self.sign(f"{ROTATION}\n{fresh.vkey}\n"))
        return LedgerKey(fresh.name, fresh.seed, (former, *self.former))

    @property
    def published(self) -> str:
        """What is published: the public key, then for each former key its note that names the key after it."""
        return "\n".join([f"{self.vkey}\n", *(f"{one.vkey}\n{one.note}" for one in self.former)])


def open_note(note: str, vkey: str) -> str | None:
    """The text of a note that the key `vkey` signed; None for any other note."""
    text, _, line = note.partition("\n\n")
    text += "\n"
    try:
        name, key_id, encoded = vkey.split("+", 2)
        public = base64.b64decode(encoded, validate=True).removeprefix(_ED25519)
        octets = base64.b64decode(line.removeprefix(f"\u2014 {name} ").removesuffix("\n"), validate=True)
        Ed25519PublicKey.from_public_bytes(public).verify(octets[4:], text.encode())
    except (binascii.Error, InvalidSignature, ValueError):
        return None
    return text if octets[:4].hex() == key_id else None


@lru_cache(maxsize=8)
def _private_key(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)


@lru_cache(maxsize=8)
def _key_id(name: str, seed: bytes) -> bytes:
    public = _private_key(seed).public_key().public_bytes_raw()
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def fresh(domain: str) -> LedgerKey:
    """A new key, for a ledger of `domain`."""
    return LedgerKey(f"{domain}/consent-ledger/{secrets.token_hex(4)}", secrets.token_bytes(32))


def write(key: LedgerKey, path: Path) -> None:
    """Keep the key in a new file with mode 0600. Raises ConfigurationError where there is one already."""
    with locked_folder(path):
        if path.exists():
            raise ConfigurationError(f"{path} exists already.", hint="A published key is not replaced.")
        write_file(path, _encode(key), 0o600)


def rotate(path: Path) -> LedgerKey:
    """Replace the key in the file by a fresh one, which the former key signs there; returns the fresh one.

    Raises ConfigurationError where there is no key.
    """
    with locked_folder(path):
        key = read(path)
        if key is None:
            raise ConfigurationError(f"There is no {path} to rotate.", hint="Make it: `mailer keys ledger`.")
        fresh = key.rotated()
        write_file(path, _encode(fresh), 0o600)
    return fresh


def _encode(key: LedgerKey) -> bytes:
    lines = [f"{_START}{key.name}+{key.id.hex()}+{base64.b64encode(_ED25519 + key.seed).decode()}"]
    lines += [json.dumps({"vkey": one.vkey, "note": one.note}) for one in key.former]
    return ("\n".join(lines) + "\n").encode()


def read(path: Path) -> LedgerKey | None:
    """The key in the file; None where there is no file. Raises ConfigurationError where it can't be read."""
    try:
        line, *others = path.read_text(encoding="ascii").strip().split("\n")
        name, _, seed = line.removeprefix(_START).split("+", 2)
        octets = base64.b64decode(seed, validate=True)
        former = tuple(FormerKey(**json.loads(one)) for one in others)
        if line.startswith(_START) and len(octets) == 33 and octets.startswith(_ED25519):
            return LedgerKey(name, octets[1:], former)
        reason = "it holds no Ed25519 key"
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = f"{error.strerror}"
    except (TypeError, ValueError):
        reason = "it holds no Ed25519 key"
    raise ConfigurationError(
        f"The ledger's key {path} can't be read: {reason}.", hint="Restore the file from your copy."
    )
