"""Settings for a relay on loopback, connections to it, and free ports."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from typing import Any

from mailer.config import RelaySettings
from mailer.config.reading import read_section
from mailer.smtp import connect
from mailer.smtp.connection import Connection
from tests.support.certificates import loopback_certificates

# Below the ports that a system gives out by itself. One of those may be given to somebody else before it is used.
OWN_PORTS = range(20_000, 32_768)


def free_port() -> int:
    """A port that nothing listens on, and that the system gives to nobody."""
    while True:
        port = random.choice(OWN_PORTS)
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def in_clear(port: int, **more: Any) -> RelaySettings:
    """Settings for a relay without TLS; `more` overrides them."""
    return read_section({"host": "127.0.0.1", "port": port, "security": "none"} | more, RelaySettings)


def with_login(port: int, **more: Any) -> RelaySettings:
    """Settings for a relay with STARTTLS and the login mailer, "correct horse"; `more` overrides them."""
    values = {
        "host": "localhost",
        "security": "starttls",
        "ca_file": loopback_certificates().ca_file,
        "username": "mailer",
        "password": "correct horse",
    }
    return in_clear(port, **(values | more))


async def opened(settings: RelaySettings) -> Connection:
    """A connection to the relay of these settings."""
    return Connection(await connect(settings), settings)
