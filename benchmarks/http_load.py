"""POSTs to a server of this machine from one plain asyncio process with warm connections."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import uvloop

from benchmarks.processes import cpu_seconds
from benchmarks.programs import HOST


@dataclass(frozen=True, slots=True)
class Load:
    """The results: requests per second, each request's milliseconds, and the server's CPU time for one, in µs."""

    rate: float
    median_ms: float
    p99_ms: float
    cpu_us: float


def request(path: str, body: bytes, *headers: str) -> bytes:
    """A POST request; `headers` are whole lines."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def post(port: int, pid: int, requests: Sequence[bytes], at_once: int) -> Load:
    """Send each request once, over `at_once` connections, to the server that is process `pid`."""
    cpu = cpu_seconds(pid)
    seconds, latencies = uvloop.run(_post_all(port, requests, at_once))
    cpu = cpu_seconds(pid) - cpu
    percentiles = statistics.quantiles(latencies, n=100)
    rate, cpu_us = len(requests) / seconds, cpu / len(requests) * 1e6
    return Load(rate, percentiles[49] * 1000, percentiles[98] * 1000, cpu_us)


async def _post_all(port: int, requests: Sequence[bytes], at_once: int) -> tuple[float, list[float]]:
    waiting, latencies = iter(requests), []

    async def client() -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        for data in waiting:
            began = time.perf_counter()
            writer.write(data)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            latencies.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(at_once)))
    return time.perf_counter() - began, latencies
