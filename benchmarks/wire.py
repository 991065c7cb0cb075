"""How fast ready messages go out: `Connection.send` beside Postfix's C program smtp-source, on the same sink.

    python benchmarks/wire.py [--messages 40000] [--connections 20] [--rounds 3]

Prints messages a second (medians) and the ratio to smtp-source; needs Debian's package postfix. smtp-sink offers
PIPELINING (two round trips a message); benchmarks/sink.py offers CHUNKING as well (one).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import uvloop

from mailer.outcome import Accepted
from mailer.settings import RelaySettings
from mailer.smtp import Envelope, Relay

LENGTH = 12_000
MESSAGE = b"Subject: Release\r\n\r\n" + (b"x" * 70 + b"\r\n") * (LENGTH // 72)
HOST = "127.0.0.1"


async def _send(port: int, messages: int, connections: int) -> None:
    settings = RelaySettings(
        host=HOST, port=port, security="none", connections=connections, messages_per_connection=messages
    )
    numbers = iter(range(messages))

    async def work(relay: Relay) -> None:
        async with relay.connection() as connection:
            for number in numbers:
                envelope = Envelope("news@example.com", f"person{number}@example.org")
                assert isinstance(await connection.send(envelope, MESSAGE), Accepted)

    async with Relay(settings) as relay:
        await asyncio.gather(*(work(relay) for _ in range(connections)))


def _ours(port: int, messages: int, connections: int) -> None:
    uvloop.run(_send(port, messages, connections))


def _smtp_source(port: int, messages: int, connections: int) -> None:
    command = ["smtp-source", "-d", "-s", str(connections), "-l", str(LENGTH), "-m", str(messages)]
    addresses = ["-f", "news@example.com", "-t", "person@example.org", f"{HOST}:{port}"]
    subprocess.run([_program(command[0]), *command[1:], *addresses], check=True)


def _program(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        sys.exit(f"{name} is missing: install Debian's package postfix.")
    return path


@contextmanager
def _running(command: list[str], port: int) -> Iterator[int]:
    process = subprocess.Popen(command)
    try:
        for _ in range(100):
            with socket.socket() as sock:
                if sock.connect_ex((HOST, port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


@contextmanager
def smtp_sink() -> Iterator[int]:
    """Postfix's sink."""
    port = _free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with _running([_program("smtp-sink"), *user, f"{HOST}:{port}", "512"], port):
        yield port


@contextmanager
def chunking_sink() -> Iterator[int]:
    """Our own."""
    port = _free_port()
    with _running([sys.executable, str(Path(__file__).with_name("sink.py")), str(port)], port):
        yield port


def _rate(send: Callable[[int, int, int], None], port: int, messages: int, connections: int) -> float:
    started = time.perf_counter()
    send(port, messages, connections)
    return messages / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=40_000)
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    size = (given.messages, given.connections)
    rates: dict[str, list[float]] = {"smtp-source -d": [], "send, PIPELINING": [], "send, CHUNKING": []}
    with smtp_sink() as port, chunking_sink() as chunking_port:
        for _ in range(given.rounds):
            rates["smtp-source -d"].append(_rate(_smtp_source, port, *size))
            rates["send, PIPELINING"].append(_rate(_ours, port, *size))
            rates["send, CHUNKING"].append(_rate(_ours, chunking_port, *size))
    reference = median(rates["smtp-source -d"])
    for name, found in rates.items():
        print(f"{name:20}{median(found):10,.0f} messages/s{median(found) / reference:8.2f}")


if __name__ == "__main__":
    main()
