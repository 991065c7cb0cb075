"""SASL mechanisms as dialogues: each yields a response to the challenge that the relay sent (RFC 4954).

    PLAIN       RFC 4616, with an initial response
    LOGIN       draft-murchison-sasl-login-00; the text of a challenge says what it asks for
    CRAM-MD5    RFC 2195
    XOAUTH2     Google's and Microsoft's form of a bearer token; a refusal comes as a challenge

A mechanism raises UnexpectedChallenge for a challenge that asks for something else, and the caller cancels the login.
So a password is never sent where a user name is asked for.
"""

from __future__ import annotations

import hmac
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Method = Literal["plain", "login", "cram-md5", "xoauth2"]
PASSWORD_METHODS: tuple[Method, ...] = ("plain", "login", "cram-md5")
_NAME = re.compile(rb"user|name|login|account", re.IGNORECASE)
_PASSWORD = re.compile(rb"pass|secret", re.IGNORECASE)

# Receives challenges (decoded), yields responses (not encoded). The first yield is the initial response, or None where
# the mechanism waits for a challenge. It ends after its last response.
Dialogue: TypeAlias = Generator[bytes | None, bytes, None]


class UnexpectedChallenge(Exception):
    """The relay asks for something that this mechanism does not send at this point."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name, and its secret: the password, or for XOAUTH2 the access token."""

    username: str
    secret: str = field(repr=False)


def usable(wanted: Method | Literal["auto"], *, oauth2: bool) -> tuple[Method, ...]:
    """The methods to log in with, the best first. ``auto`` is XOAUTH2 where there are tokens (`oauth2`)."""
    if wanted != "auto":
        return (wanted,)
    return ("xoauth2",) if oauth2 else PASSWORD_METHODS


def choose(offered: Iterable[str], wanted: Method | Literal["auto"], *, oauth2: bool) -> Method | None:
    """The first usable method that the relay offers; None where it offers none."""
    names = {name.lower() for name in offered}
    return next((method for method in usable(wanted, oauth2=oauth2) if method in names), None)


def wire_forms(credentials: Credentials) -> tuple[str, ...]:
    """The secret in each form in which a mechanism sends it: a relay may repeat it in a reply."""
    forms = (credentials.secret.encode(), _plain_message(credentials), _bearer(credentials))
    return (credentials.secret, *(encode(form).decode() for form in forms))


def encode(response: bytes) -> bytes:
    """A response in base64, as it is sent."""
    return b2a_base64(response, newline=False)


def decode(challenge: str) -> bytes:
    """The decoded challenge; text that is not base64 is returned as it is, because some relays do not encode it."""
    try:
        return a2b_base64(challenge.strip(), strict_mode=True)
    except ValueError:
        return challenge.strip().encode("utf-8", "replace")


def _plain(credentials: Credentials) -> Dialogue:
    message = _plain_message(credentials)
    if (yield message):
        raise UnexpectedChallenge("PLAIN has no challenge")
    yield message  # the relay ignored the initial response and asks for it


def _login(credentials: Credentials) -> Dialogue:
    challenge = yield None  # a relay may ignore an initial response and still ask for the user name
    if _PASSWORD.search(challenge):
        raise UnexpectedChallenge("it asks for the password first")
    challenge = yield credentials.username.encode()
    if _NAME.search(challenge) and not _PASSWORD.search(challenge):
        raise UnexpectedChallenge("it asks for the user name twice")
    yield credentials.secret.encode()


def _cram_md5(credentials: Credentials) -> Dialogue:
    challenge = yield None
    if not challenge:
        raise UnexpectedChallenge("its challenge is empty")
    digest = hmac.new(credentials.secret.encode(), challenge, "md5").hexdigest()
    yield f"{credentials.username} {digest}".encode()


def _xoauth2(credentials: Credentials) -> Dialogue:
    message = _bearer(credentials)
    if not (yield message):
        yield message  # the relay ignored the initial response and asks for it
    yield b""  # the challenge was a refusal; the relay then sends the error reply


def _plain_message(credentials: Credentials) -> bytes:
    return f"\0{credentials.username}\0{credentials.secret}".encode()


def _bearer(credentials: Credentials) -> bytes:
    return f"user={credentials.username}\1auth=Bearer {credentials.secret}\1\1".encode()


DIALOGUES: Mapping[Method, Callable[[Credentials], Dialogue]] = {
    "plain": _plain,
    "login": _login,
    "cram-md5": _cram_md5,
    "xoauth2": _xoauth2,
}
