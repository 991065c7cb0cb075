"""The process that signs mails (`mailer.signing` starts it). It holds the private keys, and nothing else of the installation.

It reads SHA-256 digests from its standard input, a socket, one for each key of a mail, and writes the signatures in the
same order. It ends when the other side is closed, so also when the process that started it is killed.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from mailer.errors import ConfigurationError
from mailer.message.dkim import Signer, load_file

DIGEST_LENGTH = 32
_READ_AT_ONCE = 65_536


def main() -> None:
    """Load the keys that the arguments name, tell what they are, and sign until the input ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they are for the process that sends; it finishes its mails
    with socket.socket(fileno=0) as channel:
        try:
            signers = [
                Signer(load_file(Path(path), domain=domain, selector=selector))
                for domain, selector, path in json.loads(sys.argv[1])
            ]
        except ConfigurationError as error:
            _tell(channel, {"error": error.message, "hint": error.hint})
        else:
            _tell(channel, {"keys": [[*signer.name, signer.length] for signer in signers]})
            sign(channel, signers)


def _tell(channel: socket.socket, values: object) -> None:
    channel.sendall(json.dumps(values).encode() + b"\n")


def sign(channel: socket.socket, signers: Sequence[Signer]) -> None:
    """Answer digests with signatures, those of each mail as soon as they are made, until the other side is closed."""
    of_mail = DIGEST_LENGTH * len(signers)
    waiting = b""
    while read := channel.recv(_READ_AT_ONCE):
        waiting += read
        complete = len(waiting) - len(waiting) % of_mail
        for start in range(0, complete, of_mail):
            digests = [
                waiting[start + i : start + i + DIGEST_LENGTH] for i in range(0, of_mail, DIGEST_LENGTH)
            ]
            channel.sendall(
                b"".join([signer.sign(digest) for signer, digest in zip(signers, digests, strict=True)])
            )
        waiting = waiting[complete:]
