"""Acknowledge received data at once, where the platform can: Linux's TCP_QUICKACK.

A relay that writes its small replies one by one holds back the second until the first is acknowledged (Nagle, RFC 896),
and Linux delays that acknowledgement by 40 ms (RFC 1122 section 4.2.3.2). Postfix writes two replies to a group of
commands, so each message would take 40 ms more.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress


def acknowledger(sock: socket.socket) -> Callable[[], None]:
    """A function that makes the system acknowledge at once all that `sock` has received. It never raises."""
    option = getattr(socket, "TCP_QUICKACK", None)
    if option is None:
        return lambda: None

    def acknowledge() -> None:
        with suppress(OSError):  # it is closed
            sock.setsockopt(socket.IPPROTO_TCP, option, 1)

    return acknowledge
