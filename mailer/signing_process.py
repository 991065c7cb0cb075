"""The process that signs mails. It holds the private keys, and nothing else of the installation.

`mailer.signing` starts it. Its standard input is a socket of packets. Each question is a number and SHA-256 digests, one
for each key of a mail; the answer is the number and the signatures in the same order. A thread for each processor but one
answers, so answers may overtake each other: OpenSSL releases the interpreter's lock while it signs. One processor is left
to the process that sends. This one ends when the other side is closed, so also when the process that started it is killed.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mailer.errors import ConfigurationError
from mailer.message.dkim import Signer, load_file

_DIGEST_LENGTH = 32
_LARGEST_PACKET = 65_536


def main() -> None:
    """Load the keys that the arguments name, tell what they are, and sign until the input ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they are for the process that sends; it finishes its mails
    with socket.socket(fileno=0) as channel:
        try:
            signers = [
                Signer(load_file(Path(path), domain=domain, selector=selector))
                for domain, selector, path in json.loads(sys.argv[1])
            ]
        except ConfigurationError as error:
            _tell(channel, {"error": error.message, "hint": error.hint})
            return
        _tell(channel, {"keys": [[*signer.name, signer.length] for signer in signers]})
        with suppress(RuntimeError):  # the limit of processes is reached: it signs more slowly
            for _ in range(len(os.sched_getaffinity(0)) - 2):
                threading.Thread(target=sign, args=(channel, signers), daemon=True).start()
        sign(channel, signers)


def _tell(channel: socket.socket, values: object) -> None:
    channel.sendall(json.dumps(values).encode())


def sign(channel: socket.socket, signers: Sequence[Signer]) -> None:
    """Answer one question after the other, until the other side is closed. Several threads may do so."""
    digests = _DIGEST_LENGTH * len(signers)
    with suppress(ConnectionError):
        while question := channel.recv(_LARGEST_PACKET):
            starts = range(len(question) - digests, len(question), _DIGEST_LENGTH)
            signatures = [
                signer.sign(question[start : start + _DIGEST_LENGTH])
                for signer, start in zip(signers, starts, strict=True)
            ]
            channel.send(b"".join([question[:-digests], *signatures]))
