"""mailer serve: the web application, on a socket."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import suppress

import click
import uvicorn

from mailer.commands.context import CommandContext
from mailer.errors import MailerError


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8025, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one."
)
@click.option("--access-log", is_flag=True, help="Log each request: method, route, status, time.")
@click.pass_obj
def serve(context: CommandContext, host: str, port: int, access_log: bool) -> None:
    """Serve the unsubscribe pages.

    Speaks plain HTTP: put a reverse proxy with HTTPS in front of it, as the README shows. No log of it ever
    holds a page's address, because that is somebody's token.

    \b
    Example:
      mailer serve --host 127.0.0.1 --port 8025
    """
    context.database.require_current()
    os.environ["MAILER_CONFIG"] = str(context.config_path)
    logging.basicConfig(
        level=logging.INFO if access_log else logging.WARNING, format="%(asctime)s %(levelname)s %(message)s"
    )
    with _listen(host, port) as listener:
        name = f"[{host}]" if ":" in host else host
        context.console.print(
            f"Listening on http://{name}:{listener.getsockname()[1]} for {context.settings.public_url}"
        )
        config = uvicorn.Config(
            context.web_application,
            factory=True,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing here depends on who asks, or how
            timeout_graceful_shutdown=10,
        )
        with suppress(KeyboardInterrupt):  # uvicorn has shut down in order before it passes the signal on
            uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = str(error.strerror).partition(" (while ")[0]  # the standard library repeats the address
        raise MailerError(
            f"Can't listen on {host}, port {port}: {reason}.",
            hint="Is it running already? Choose another --port.",
        ) from None
