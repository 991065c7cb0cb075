"""Serve the preview on loopback until it is stopped."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from campaigns.web.preview.access import Access
from campaigns.web.preview.application import PreviewApplication
from campaigns.web.preview.rendering import Rendering
from campaigns.web.preview.source import PreviewSource
from mailer.errors import InvalidInput

_COLLECTED_OBJECTS = 100_000  # new ones, between two collections of garbage


def preview_server(source: PreviewSource, listener: socket.socket) -> tuple[uvicorn.Server, str]:
    """A server for the preview, and the address that opens its page once."""
    return _server(Rendering(source), source.name, listener)


def _server(rendering: Rendering, name: str, listener: socket.socket) -> tuple[uvicorn.Server, str]:
    access = Access(listener.getsockname()[1])
    application = PreviewApplication(rendering, access, name)
    config = uvicorn.Config(
        application.app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,  # the stream of events never ends by itself
    )
    return uvicorn.Server(config), access.url


def serve_preview(source: PreviewSource, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve on 127.0.0.1 until SIGINT or SIGTERM. `on_ready` gets the address that opens the page once.

    Port 0 takes a free one. Raises InvalidInput where the port is taken.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise InvalidInput(
                f"port {port} can't be used: {error.strerror}",
                where="--port",
                hint="Leave it out to take a free one.",
            ) from None
        listener.listen()
        rendering = Rendering(source)
        server, url = _server(rendering, source.name, listener)
        on_ready(url)
        threading.Thread(target=_prepare, args=(rendering,), daemon=True).start()
        with suppress(KeyboardInterrupt):  # uvicorn raises the signal again once it has ended
            server.run(sockets=[listener])


def _prepare(rendering: Rendering) -> None:
    """Make the first mail while the browser starts."""
    rendering.mail(0, None)
    # Somebody waits for each reload: a collection would walk all imported code, and a note of 100 KB has 50,000 tokens.
    gc.freeze()
    gc.set_threshold(_COLLECTED_OBJECTS)
