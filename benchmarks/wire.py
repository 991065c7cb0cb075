"""Ready messages over warm connections: `python -m benchmarks.wire PORT MESSAGES CONNECTIONS LENGTH`.

Opens the connections, takes the time from there, and prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop

from benchmarks.programs import HOST
from mailer.config import RelaySettings
from mailer.message import Content
from mailer.smtp import Accepted, Envelope, Outcome, connect
from mailer.smtp.connection import Connection

HEAD, LINE = b"Subject: Release\r\n\r\n", b"x" * 70 + b"\r\n"


async def main(port: int, messages: int, connections: int, length: int) -> dict[str, float]:
    settings = RelaySettings(host=HOST, port=port, security="none", messages_per_connection=messages + 1)
    warm = [Connection(await connect(settings), settings) for _ in range(connections)]
    envelopes = iter(
        [Envelope("news@example.com", f"person{number}@example.org") for number in range(messages)]
    )
    content = Content.of(HEAD + LINE * round((length - len(HEAD)) / len(LINE)))

    async def work(connection: Connection) -> None:
        envelope = next(envelopes, None)
        while envelope is not None:
            following = next(envelopes, None)
            ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            announce = following if connection.can_announce else None
            connection.offer(envelope, content, ended.set_result, announce=announce)
            assert isinstance(await ended, Accepted)
            envelope = following

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work(connection) for connection in warm))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    await asyncio.gather(*(connection.close() for connection in warm))
    return {"seconds": seconds, "cpu_seconds": cpu}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(main(*map(int, sys.argv[1:5])))))
