"""An SMTP sink with CHUNKING and PIPELINING (smtp-sink lacks the first): `python -m benchmarks.chunking_sink PORT`.

It reads, throws away and says 250; it keeps no rule that would cost time.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

EHLO = b"250-sink\r\n250-SIZE 0\r\n250-CHUNKING\r\n250 PIPELINING\r\n"
OK = b"250 2.0.0 Ok\r\n"


class Sink(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._rest = b""
        self._skip = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        data, replies, start = self._rest + data, b"", 0
        while start < len(data):
            if self._skip:
                passed = min(self._skip, len(data) - start)
                start += passed
                self._skip -= passed
                replies += b"" if self._skip else OK
                continue
            end = data.find(b"\r\n", start)
            if end < 0:
                break
            replies += self._reply(data[start:end])
            start = end + 2
        self._rest = data[start:]
        if replies:
            self._transport.write(replies)

    def _reply(self, line: bytes) -> bytes:
        match line[:4].upper():
            case b"EHLO":
                return EHLO
            case b"BDAT":
                self._skip = int(line.split(b" ")[1])
                return b""
            case b"QUIT":
                self._transport.close()
                return b""
            case _:
                return OK


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
