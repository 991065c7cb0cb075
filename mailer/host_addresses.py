"""The addresses of a host, and a connection to one of them, without the threads of libuv.

Of uvloop's own functions `getaddrinfo` starts four such threads, and `sock_connect` calls it, also for a plain address. libuv
ends the whole process, without a message, where the limit of processes is reached.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeAlias

# As getaddrinfo(3) has it: family, type and protocol of the socket, the host's own name, the address to connect to.
HostAddress: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]


async def look_up(host: str, port: int) -> Sequence[HostAddress]:
    """The addresses of a host for TCP, in the order in which to try them. The end of the process does not wait for it.

    Raises OSError where the name does not resolve, UnicodeError where it is no name, and RuntimeError where no thread can
    be started (`exhausted_limit`).
    """
    with suppress(socket.gaierror):  # it is a name, and not an address already
        return _look_up(host, port, socket.AI_NUMERICHOST)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[HostAddress]] = loop.create_future()

    def tell(found: Sequence[HostAddress] | None, error: Exception | None) -> None:
        if answer.done():  # who asked was cancelled
            return
        if found is not None:
            answer.set_result(found)
        elif error is not None:
            answer.set_exception(error)

    def ask() -> None:
        found, problem = None, None
        try:
            found = _look_up(host, port)
        except (OSError, UnicodeError) as error:
            problem = error
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(tell, found, problem)

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    return await answer


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
        raise OSError(error, f"Connect call failed {address[:2]}")


def _look_up(host: str, port: int, flags: int = 0) -> Sequence[HostAddress]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
