"""Listening sockets: opened here, or handed over by systemd or another process.

A socket that another process keeps open survives a restart: connections wait in its queue until the next
process accepts them.
"""

from __future__ import annotations

import errno
import os
import socket

from mailer.errors import ConfigurationError, MailerError

FIRST_FD = 3  # sd_listen_fds(3): SD_LISTEN_FDS_START
BACKLOG = 2048  # connections that wait to be accepted


def inherited_sockets() -> list[socket.socket]:
    """The sockets that systemd handed over (sd_listen_fds(3)); none where it did not start this process.

    Raises ConfigurationError for a descriptor that does not listen.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = os.environ.get("LISTEN_FDS", "")
    if not count.isdecimal():
        raise ConfigurationError(f"LISTEN_FDS is {count!r}, not a number.")
    return [socket_of(fd) for fd in range(FIRST_FD, FIRST_FD + int(count))]


def socket_of(fd: int) -> socket.socket:
    """The listening socket with descriptor `fd`. Raises ConfigurationError if it is not one."""
    try:
        found = socket.socket(fileno=fd)
        listens = bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError as error:
        raise ConfigurationError(
            f"Descriptor {fd} is not a socket ({error.strerror}).",
            hint="Hand over a listening socket, such as systemd's with ListenStream= and Accept=no.",
        ) from None
    if not listens:
        raise ConfigurationError(
            f"The socket of descriptor {fd} does not listen.",
            hint="Hand over a listening stream socket; with systemd: ListenStream= and Accept=no.",
        )
    os.set_inheritable(fd, False)  # noqa: FBT003 - os names no parameter
    return found


def listen(host: str, port: int) -> socket.socket:
    """A new listening socket. Raises MailerError with the system's reason."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = str(error.strerror).partition(" (while ")[0]  # the standard library repeats the address
        raise MailerError(
            f"Can't listen on {host}, port {port}: {reason}.", hint=_what_to_do(error)
        ) from None


def _what_to_do(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "Is it running already? Choose another --port."
        case errno.EACCES:
            return "Choose a --port of 1024 or more."
        case _:
            return "Name an address of this machine: --host 127.0.0.1."


def address_of(listener: socket.socket) -> str:
    """The readable address: a URL, or the path of a Unix socket."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
