"""An ASGI application that can be replaced while it serves.

New requests go to the new application at once. The old one is closed when its last request has been answered.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Router(Protocol):
    """The part of an application that opens and closes it."""

    @property
    def lifespan_context(self) -> Callable[[Any], AbstractAsyncContextManager[Any]]:
        """Opens an application; closes it at the end."""


class WebApplication(Protocol):
    """The served application: Starlette's, or a similar one."""

    @property
    def router(self) -> Any:
        """Has a `lifespan_context`, see `Router`."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""


@dataclass(slots=True)
class _Generation:
    application: WebApplication
    lifespan: AbstractAsyncContextManager[Any]
    requests: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)


class ReloadableApplication:
    """Serves the application that `create` makes; `reload` makes a new one. Raises the errors of `create`."""

    def __init__(self, create: Callable[[], WebApplication]) -> None:
        self._create = create
        self._first = create()
        self._current: _Generation | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or open and close the application (ASGI's lifespan)."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        generation = self._current
        if generation is None:
            raise RuntimeError("a request came before the application was opened")
        generation.requests += 1
        generation.idle.clear()
        try:
            await generation.application(scope, receive, send)
        finally:
            generation.requests -= 1
            if not generation.requests:
                generation.idle.set()

    async def reload(self) -> None:
        """Replace the application. Raises the errors of `create`; the old application then remains."""
        application = await asyncio.to_thread(self._create)  # without a database this takes long
        new = await self._open(application)
        old, self._current = self._current, new
        if old is not None:
            task = asyncio.create_task(self._close(old))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._current = await self._open(self._first)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.gather(*self._closing)
        await self._close(self._current)
        await send({"type": "lifespan.shutdown.complete"})

    @staticmethod
    async def _open(application: WebApplication) -> _Generation:
        generation = _Generation(application, application.router.lifespan_context(application))
        generation.idle.set()
        await generation.lifespan.__aenter__()
        return generation

    @staticmethod
    async def _close(generation: _Generation) -> None:
        await generation.idle.wait()
        await generation.lifespan.__aexit__(None, None, None)
        gc.freeze()  # an application unfreezes at its end; the one that replaced it wants this
