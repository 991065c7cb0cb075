"""The look-up of a host's addresses, in a thread for which nobody has to wait."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from mailer.errors import NoProcess
from mailer.host_addresses import look_up


async def test_a_name_has_its_addresses_in_order() -> None:
    usual = socket.getaddrinfo("localhost", 25, type=socket.SOCK_STREAM)
    assert await look_up("localhost", 25) == usual


async def test_a_name_that_nobody_knows_is_an_error_of_the_system() -> None:
    with pytest.raises(socket.gaierror):
        await look_up("relay.invalid", 25)


async def test_who_is_cancelled_does_not_wait_and_the_thread_ends_in_peace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    goes_on, failed = threading.Event(), list[Any]()
    usual = socket.getaddrinfo

    def slow(host: str, *arguments: Any, **options: Any) -> Any:
        if not options.get("flags"):
            goes_on.wait(60)
        return usual(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    monkeypatch.setattr(threading, "excepthook", failed.append)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(look_up("localhost", 25), 0.05)
    (thread,) = (one for one in threading.enumerate() if one.name == "look-up")
    goes_on.set()
    await asyncio.to_thread(thread.join)
    assert failed == []


async def test_without_a_thread_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(NoProcess):
        await look_up("localhost", 25)
