"""mailer serve: the web application, on a socket."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import ExitStack, suppress
from functools import partial
from importlib import import_module
from ipaddress import ip_network
from typing import cast

import click
import uvicorn

from mailer.commands.context import CommandContext
from mailer.config import load_settings
from mailer.database import Database
from mailer.web_server import (
    BoundedProtocol,
    ConnectionLimits,
    DrainingServer,
    ReloadableApplication,
    address_of,
    connection_limit,
    inherited_sockets,
    listen,
    raise_file_limit,
    socket_of,
)
from mailer.web_server.reloading import WebApplication


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8025, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one."
)
@click.option(
    "--fd", type=click.IntRange(0), metavar="NUMBER", help="Accept on this open, listening socket instead."
)
@click.option("--access-log", is_flag=True, help="Log each request: method, route, status, time.")
@click.pass_obj
def serve(context: CommandContext, host: str, port: int, fd: int | None, access_log: bool) -> None:
    """Serve the pages for recipients and the API.

    It uses HTTP without TLS: put a reverse proxy with HTTPS in front of it, as `mailer deploy` prints. Its
    logs do not contain the address of a page, because the address is a person's token.

    If systemd passes a socket, it uses that. SIGHUP reads settings and secrets again. SIGTERM answers the
    accepted requests and ends.

    \b
    Example:
      mailer serve --host 127.0.0.1 --port 8025
    """
    hangups: list[int] = []  # SIGHUP that comes before there is anything to reload
    signal.signal(signal.SIGHUP, lambda number, _: hangups.append(number))
    os.environ["MAILER_CONFIG"] = str(context.config_path)
    context.database.require_current()
    logging.basicConfig(
        level=logging.INFO if access_log else logging.WARNING, format="%(asctime)s %(levelname)s %(message)s"
    )
    raise_file_limit()
    limits = ConnectionLimits(
        [ip_network(one) for one in context.settings.trusted_proxies],
        context.settings.serve,
        connection_limit(),
    )
    application = ReloadableApplication(lambda: _create(context.web_application))
    with ExitStack() as stack:
        listeners = [socket_of(fd)] if fd is not None else inherited_sockets() or [listen(host, port)]
        for listener in listeners:
            stack.enter_context(listener)
            context.console.print(f"Listening on {address_of(listener)} for {context.settings.public_url}")
        config = uvicorn.Config(
            application,
            http=partial(BoundedProtocol, limits),  # type: ignore[arg-type]  # whatever makes a protocol does
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing here depends on who asks, or how
            timeout_graceful_shutdown=10,
        )
        with suppress(KeyboardInterrupt):  # uvicorn has shut down in order before it passes the signal on
            DrainingServer(config, application, hangups).run(sockets=listeners)


def _create(name: str) -> WebApplication:
    """The web application `name` (``module:factory``) for the settings as they are now."""
    settings = load_settings()
    database = Database(settings.database_url.reveal(), settings.folder)
    try:
        database.require_current()
    finally:
        database.close()
    module, _, factory = name.partition(":")
    return cast("WebApplication", getattr(import_module(module), factory)(settings))
