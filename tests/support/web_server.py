"""A web application on a free port: in the test's event loop, or in a thread for synchronous tests."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve `app` like `mailer serve`; yields its address."""
    server = _server(app)
    running = asyncio.create_task(server.serve())
    while not server.started:
        if running.done():
            raise RuntimeError("the server did not start")
        await asyncio.sleep(0.01)
    try:
        yield _address(server)
    finally:
        server.should_exit = True
        await running


@asynccontextmanager
async def client_of(app: Starlette, base_url: str, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of `app` without a server; the application is opened and closed as a server does."""
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=base_url, **options) as client,
    ):
        yield client


@contextmanager
def serving_in_thread(app: ASGIApp) -> Iterator[str]:
    """Serve `app` in a thread, for a synchronous test; yields its address."""
    server = _server(app)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the server did not start")
        time.sleep(0.01)
    try:
        yield _address(server)
    finally:
        server.should_exit = True
        thread.join()


def _server(app: ASGIApp) -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, ws="none"))


def _address(server: uvicorn.Server) -> str:
    return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
