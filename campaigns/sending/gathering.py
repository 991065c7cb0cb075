"""Connections that are ready for their next mail, and when a batch takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

from campaigns.sending.session import Session

MAX_WAIT = 0.002  # seconds that a batch waits for connections that are soon ready
MAX_WAIT_ON_A_SLOW_DISK = 0.01


class Gathering:
    """Gathers connections that are ready, and calls `run_batch` with them, in a task.

    A batch begins when as many connections are ready as have a mail in flight, and MAX_WAIT after the first is ready at
    the latest. So there are two groups of connections: one commits and composes while the relay has the mails of the
    other. Where one commit takes longer than MAX_WAIT, a batch waits for all connections, for as long as a commit takes
    and MAX_WAIT_ON_A_SLOW_DISK at most: fewer commits then send more than a relay that never waits.

    One batch commits at a time: two would be smaller, and cost more. `in_flight` counts mails that are let through and
    have no outcome. While a batch is being signed, the next waits without a limit: its mails would have to queue for the
    signers. `commits_aside`: the event loop goes on while a batch commits, so meanwhile others are signed; then a slow
    commit is no reason to wait for all of them.
    """

    def __init__(
        self, run_batch: Callable[[Sequence[Session]], Awaitable[None]], *, commits_aside: bool
    ) -> None:
        self.in_flight = 0
        self._run_batch, self._commits_aside = run_batch, commits_aside
        self._loop = asyncio.get_running_loop()
        self._ready: list[Session] = []
        self._batches: set[asyncio.Task[None]] = set()
        self._signing = 0  # batches
        self._commit_seconds = 0.0
        self._is_beginning = self._is_committing = False
        self._timer: asyncio.TimerHandle | None = None

    def add(self, session: Session) -> None:
        """Add a connection that has no mail in flight."""
        self._ready.append(session)
        self._begin_if_enough()

    async def finish(self) -> None:
        """Run batches until no connection is ready."""
        while self._ready or self._batches:
            if not self._batches:
                self._begin()
            await asyncio.wait(self._batches)

    def _begin_if_enough(self) -> None:
        """Begin a batch where enough connections are ready; else soon."""
        if not self._ready or self._is_beginning or self._is_committing:
            return
        is_slow = self._commit_seconds > MAX_WAIT
        waits_for_all = is_slow and not (self._signing and self._commits_aside)
        if self.in_flight == 0 or (len(self._ready) >= self.in_flight and not waits_for_all):
            self._begin()
        elif self._timer is None and not self._signing:
            wait = min(self._commit_seconds, MAX_WAIT_ON_A_SLOW_DISK) if is_slow else MAX_WAIT
            self._timer = self._loop.call_later(wait, self._begin)

    def _begin(self) -> None:
        """Begin a batch now, unless one is beginning or committing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._is_beginning and not self._is_committing:
            self._is_beginning = True
            task = self._loop.create_task(self._take())  # a task, so that connections that are ready now join
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)

    async def _take(self) -> None:
        self._is_beginning = False
        sessions, self._ready = self._ready, []
        await self._run_batch(sessions)

    @contextmanager
    def committing(self) -> Iterator[None]:
        """While a batch commits. Its duration decides for how many connections the next ones wait."""
        self._is_committing = True
        began = self._loop.time()
        try:
            yield
        finally:
            self._is_committing = False
            self._commit_seconds += (self._loop.time() - began - self._commit_seconds) / 4
            self._begin_if_enough()

    @contextmanager
    def signing(self) -> Iterator[None]:
        """While a batch is being signed."""
        self._signing += 1
        try:
            yield
        finally:
            self._signing -= 1
            self._begin_if_enough()
