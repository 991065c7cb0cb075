"""How long mails are on their way to a relay, so that all programs are measured with mails of one length."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from statistics import mean

from tests.support.relay import FaultyRelay

SAMPLE = 20  # mails


def mean_length(send: Callable[[int], object]) -> float:
    """The mean length, in bytes, of the mails that `send` hands to the relay at the port that it gets.

    It is the length of the content with its headers, before dots are doubled.
    """

    async def receive() -> float:
        async with FaultyRelay(pipelining=True) as relay:
            await asyncio.to_thread(send, relay.port)
            return mean(len(content) for content in relay.contents)

    return asyncio.run(receive())


def fitting(send: Callable[[int, int], object], length: float, probe: int) -> int:
    """The amount with which `send`, which gets a port and an amount, makes mails of `length` bytes.

    Tries `probe` and twice that: the length grows evenly with the amount.
    """
    short = mean_length(lambda port: send(port, probe))
    long = mean_length(lambda port: send(port, 2 * probe))
    return round(probe + (length - short) * probe / (long - short))
