"""A TCP proxy to PostgreSQL that can be cut or blocked, like a cable or a firewall."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from sqlalchemy import URL

CHUNK = 1 << 16


class DatabaseProxy:
    """Listens on `host`, an address of this machine, and forwards to the server of `url`, in a thread."""

    def __init__(self, url: URL, host: str) -> None:
        self._url, self.host = url, host
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._flowing = asyncio.Event()
        self._reachable = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = url

    def __enter__(self) -> Self:
        self._thread.start()
        port = self._call(self._listen())
        self.url = self._url.set(host=self.host, port=port, query={})
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        self._loop.call_soon_threadsafe(self._cut)

    def block(self) -> None:
        """Forward nothing, without an error."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def heal(self) -> None:
        self._loop.call_soon_threadsafe(self._heal)

    def _call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> int:
        self._heal()
        self._server = await asyncio.start_server(self._connected, self.host, 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        self._server.close()
        self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _cut(self) -> None:
        self._reachable = False
        for writer in self._writers:
            writer.transport.abort()

    def _heal(self) -> None:
        self._reachable = True
        self._flowing.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        with suppress(OSError):
            if self._reachable:
                await self._pass_on(reader, writer)
        self._writers.discard(writer)
        writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        socket = Path(str(self._url.query["host"])) / f".s.PGSQL.{self._url.port or 5432}"
        from_server, to_server = await asyncio.open_unix_connection(socket)
        self._writers.add(to_server)
        pumps = [
            asyncio.create_task(self._pump(*ends)) for ends in ((reader, to_server), (from_server, writer))
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._writers.discard(to_server)
            to_server.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
