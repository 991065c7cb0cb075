"""Start processes for the demo: free ports, the environment, and waiting for servers."""

from __future__ import annotations

import os
import socket
import time
from urllib.error import URLError
from urllib.request import urlopen

from mailer.errors import MailerError

LOOPBACK = "127.0.0.1"
TIMEOUT_SECONDS = 30  # for a server to start


def environment() -> dict[str, str]:
    """The environment without MAILER_* variables: the demo has its own settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAILER_")}


def wait_until_up(url: str) -> None:
    """Wait until a server answers at `url`. Raises MailerError after TIMEOUT_SECONDS."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            urlopen(url, timeout=TIMEOUT_SECONDS).close()  # noqa: S310 - a server of our own on loopback
        except (URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise MailerError(f"The server at {url} did not start.") from None
            time.sleep(0.05)
        else:
            return


def free_port() -> int:
    """A port on loopback that no process listens on."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
