"""The addresses of a host, and a connection to one of them, without the threads of libuv.

Of uvloop's own functions `getaddrinfo` starts four such threads, and `sock_connect` calls it, also for a plain address. libuv
ends the whole process, without a message, where the limit of processes is reached.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeAlias

from mailer.errors import starting_thread

# As getaddrinfo(3) has it: family, type and protocol of the socket, the host's own name, the address to connect to.
HostAddress: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]


async def look_up(host: str, port: int) -> Sequence[HostAddress]:
    """The addresses of a host for TCP, in the order in which to try them. The end of the process does not wait for it.

    Raises OSError where the name does not resolve, UnicodeError where it is no name, and NoProcess where no thread can be
    started.
    """
    with suppress(socket.gaierror):  # it is a name, and not an address already
        return _look_up(host, port, socket.AI_NUMERICHOST)
    answer = Future[Sequence[HostAddress]]()
    answer.set_running_or_notify_cancel()  # a caller that is cancelled only stops waiting for it

    def ask() -> None:
        try:
            answer.set_result(_look_up(host, port))
        except (OSError, UnicodeError) as error:
            answer.set_exception(error)

    with starting_thread():
        threading.Thread(target=ask, name="look-up", daemon=True).start()
    return await asyncio.wrap_future(answer)


async def connect_to(sock: socket.socket, address: tuple[Any, ...]) -> None:
    """Connect a socket that does not block to an address of `look_up`. Raises OSError."""
    error = sock.connect_ex(address)
    if error in {errno.EINPROGRESS, errno.EINTR}:
        loop = asyncio.get_running_loop()
        is_writable: asyncio.Future[None] = loop.create_future()

        def tell() -> None:
            if not is_writable.done():
                is_writable.set_result(None)

        loop.add_writer(sock, tell)
        try:
            await is_writable
        finally:
            loop.remove_writer(sock)
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))


def _look_up(host: str, port: int, flags: int = 0) -> Sequence[HostAddress]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
