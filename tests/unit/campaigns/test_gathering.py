"""How many connections a batch waits for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import cast

from campaigns.sending.gathering import MAX_WAIT, Gathering
from campaigns.sending.session import Session

SESSION = cast("Session", object())


async def _gathered(
    *, in_flight: int, ready: int, commit_seconds: float = 0.0, signing: bool = False, aside: bool = False
) -> int:
    """How many connections batches take, without any wait, once `ready` are."""
    taken = 0

    async def run_batch(sessions: Sequence[Session]) -> None:
        nonlocal taken
        taken += len(sessions)

    gathering = Gathering(run_batch, commits_aside=aside)
    if commit_seconds:
        with gathering.committing():
            time.sleep(commit_seconds)  # noqa: ASYNC251 - a commit on SQLite blocks the loop
    gathering.in_flight = in_flight
    with gathering.signing() if signing else nullcontext():
        for _ in range(ready):
            gathering.add(SESSION)
        await asyncio.sleep(0)
        return taken


async def test_a_batch_begins_once_half_of_the_connections_are_ready() -> None:
    assert await _gathered(in_flight=10, ready=9) == 0
    assert await _gathered(in_flight=10, ready=10) == 10


async def test_with_nothing_in_flight_a_single_connection_does_not_wait() -> None:
    assert await _gathered(in_flight=0, ready=1) == 1


async def test_connections_that_get_ready_meanwhile_join_the_batch_that_begins() -> None:
    assert await _gathered(in_flight=10, ready=15) == 15


async def test_on_a_slow_disk_a_batch_waits_for_all_connections() -> None:
    slow = MAX_WAIT * 10
    assert await _gathered(in_flight=1, ready=19, commit_seconds=slow) == 0
    assert await _gathered(in_flight=0, ready=20, commit_seconds=slow) == 20


async def test_while_mails_are_signed_a_batch_waits_for_a_slow_disk_and_not_for_a_server() -> None:
    slow = MAX_WAIT * 10
    assert await _gathered(in_flight=10, ready=10, commit_seconds=slow, signing=True) == 0
    assert await _gathered(in_flight=10, ready=10, commit_seconds=slow, signing=True, aside=True) == 10
    assert await _gathered(in_flight=10, ready=10, commit_seconds=slow, aside=True) == 0


async def test_a_batch_waits_for_a_moment_only() -> None:
    taken = asyncio.get_running_loop().create_future()

    async def run_batch(sessions: Sequence[Session]) -> None:
        taken.set_result(sessions)

    gathering = Gathering(run_batch, commits_aside=False)
    gathering.in_flight = 10
    gathering.add(SESSION)
    assert not taken.done()
    assert await asyncio.wait_for(taken, 30) == [SESSION]
