"""uvicorn's server. At its end it loses no request, and on SIGHUP it reloads."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import uvicorn

from mailer.errors import MailerError
from mailer.threads import start_all_threads
from mailer.web_server.reloading import ReloadableApplication

FIRST_REQUEST_SECONDS = 2.0  # how long a connection that was accepted may take to send its request
LOOK_SECONDS = 0.02
QUIET_SECONDS = 60.0
THREADS = 8  # that requests and background work share
SPARE_FILES = 100  # for the database, logs and modules
MAX_OPEN_FILES = 65_536

log = logging.getLogger("mailer.web")


class DrainingServer(uvicorn.Server):
    """At its end it stops accepting, answers the accepted requests, and then closes.

    uvicorn closes connections whose request is not read yet, and so loses requests. `hangups` counts the
    SIGHUP signals before the start.
    """

    def __init__(
        self, config: uvicorn.Config, application: ReloadableApplication, hangups: Sequence[int] = ()
    ) -> None:
        super().__init__(config)
        self._application = application
        self._hangups = hangups
        self._reloading: asyncio.Task[None] | None = None
        self._reload_wanted = False
        self._out_of_files = False
        self._last_out_of_files = 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn; from here on SIGHUP reloads. Raises RuntimeError where the limit of processes is reached."""
        start_all_threads(asyncio.get_running_loop(), THREADS)
        await super().startup(sockets)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload)
        if self._hangups:
            self._reload()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn, after each accepted connection has had the time to send its first request."""
        for server in self.servers:
            server.close()
        deadline = time.monotonic() + FIRST_REQUEST_SECONDS
        await asyncio.sleep(LOOK_SECONDS)  # what was accepted last is not among the connections before
        while time.monotonic() < deadline and any(map(_has_sent_nothing, self.server_state.connections)):  # noqa: ASYNC110 - uvicorn signals no event
            await asyncio.sleep(LOOK_SECONDS)
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """As uvicorn; says once when the limit of open files is reached, and when it no longer is."""
        out_of_files = not _can_open_files()
        if out_of_files and not self._out_of_files:
            log.warning(
                "The limit of open files is reached: new connections are refused. Raise LimitNOFILE= in the unit, "
                "or `ulimit -n`."
            )
        # Some connections always end; it is over when the limit has not been met for a while.
        if out_of_files:
            self._out_of_files, self._last_out_of_files = True, time.monotonic()
        elif self._out_of_files and time.monotonic() - self._last_out_of_files > QUIET_SECONDS:
            self._out_of_files = False
            log.warning("Connections are accepted again.")
        return await super().on_tick(counter)

    def _reload(self) -> None:
        self._reload_wanted = True
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.create_task(self._replace())

    async def _replace(self) -> None:
        while self._reload_wanted:
            self._reload_wanted = False
            try:
                await self._application.reload()
            except MailerError as error:
                log.warning("Not reloaded, the former settings stay in force: %s", error)
            else:
                log.warning("Reloaded.")


def _has_sent_nothing(connection: Any) -> bool:
    return connection.cycle is None


def raise_file_limit() -> None:
    """Raise the soft limit of open files to the hard one, but no higher than MAX_OPEN_FILES."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # a sandbox may forbid it; the soft limit then stays
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connection_limit() -> int | None:
    """How many connections the limit of open files allows; None where there is no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else max(soft - SPARE_FILES, 16)


def _can_open_files() -> bool:
    try:
        os.close(os.dup(0))
    except OSError as error:
        return error.errno not in {errno.EMFILE, errno.ENFILE}
    return True
