"""A proxy that delays: `python -m benchmarks.delay_proxy PORT TO ROUND_TRIP_SECONDS CONTROL_PORT`.

It forwards data half a round trip later in each direction, and counts the round trips: how often a client
went on after it had waited for an answer, EHLO and QUIT apart. CONTROL_PORT tells the count over HTTP, and
begins a new one.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

from benchmarks.programs import HOST

COURTESIES = (b"EHLO", b"QUIT")


class Line:
    """The proxy, with all its connections."""

    def __init__(self, target: int, round_trip: float) -> None:
        self.target = target
        self.delay = round_trip / 2
        self.round_trips = 0
        self.tasks: set[asyncio.Task[None]] = set()

    def accept(self) -> NearEnd:
        return NearEnd(self)

    async def tell(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a request with the number of round trips."""
        if await reader.readline():
            body, self.round_trips = b"%d" % self.round_trips, 0
            writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()


class _End(asyncio.Protocol):
    """One end of a connection; what arrives is forwarded to the other end after the delay."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.other: _End | None = None
        self.transport: asyncio.Transport | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        for data in self._early:
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        asyncio.get_running_loop().call_later(self.line.delay, self.other.hand_over, data)

    def hand_over(self, data: bytes) -> None:
        if self.transport is None:
            self._early.append(data)
        elif not self.transport.is_closing():
            self.transport.write(data)

    def connection_lost(self, _error: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class NearEnd(_End):
    """The client's end, which counts the round trips."""

    def __init__(self, line: Line) -> None:
        super().__init__(line)
        self._answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.other = _End(self.line)
        self.other.other = self
        task = asyncio.get_running_loop().create_task(self._reach())
        self.line.tasks.add(task)
        task.add_done_callback(self.line.tasks.discard)

    def data_received(self, data: bytes) -> None:
        if self._answered and not data.startswith(COURTESIES):
            self.line.round_trips += 1
        self._answered = False
        super().data_received(data)

    def hand_over(self, data: bytes) -> None:
        self._answered = True
        super().hand_over(data)

    async def _reach(self) -> None:
        far = self.other
        assert far is not None
        await asyncio.get_running_loop().create_connection(lambda: far, HOST, self.line.target)


async def main(port: int, target: int, round_trip: float, control: int) -> None:
    line = Line(target, round_trip)
    near = await asyncio.get_running_loop().create_server(line.accept, HOST, port, backlog=512)
    counter = await asyncio.start_server(line.tell, HOST, control)
    await asyncio.gather(near.serve_forever(), counter.serve_forever())


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
