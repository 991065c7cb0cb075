"""An asyncio event loop that orders callbacks at random, from a seed, and in which time passes only by waiting.

Every callback belongs to a simulated process. A process can be frozen, as SIGSTOP does, and killed, as SIGKILL
does: no line of its code runs from then on, `finally` included.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any


@dataclass(eq=False, slots=True)
class SimulatedProcess:
    """What runs on one host. `lag` is how many seconds its idea of the common clock is late."""

    name: str
    lag: float = 0.0
    thaws_at: float = 0.0
    alive: bool = True
    ready: deque[asyncio.Handle] = field(default_factory=deque)

    def kill(self) -> None:
        self.alive = False
        self.ready.clear()


PROCESS: ContextVar[SimulatedProcess] = ContextVar("process")


class SimulatedLoop(asyncio.AbstractEventLoop):
    """Runs callbacks one by one: in order within a process; `rng` chooses the process."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.failures: list[dict[str, Any]] = []
        self._now = 0.0
        self._processes: list[SimulatedProcess] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle, SimulatedProcess]] = []
        self._numbers = itertools.count()
        self._tasks: list[asyncio.Task[Any]] = []

    def spawn(self, process: SimulatedProcess, work: Coroutine[Any, Any, None]) -> None:
        """Begin a process."""
        self._processes.append(process)
        context = copy_context()
        context.run(PROCESS.set, process)
        self.create_task(work, context=context).add_done_callback(self._ended, context=context)

    def run(self, until: Callable[[], bool], limit: float) -> None:
        """Take step after step; raises TimeoutError where `until` is not true by the time `limit`."""
        asyncio._set_running_loop(self)
        try:
            while not until():
                if self._now > limit or not self._step():
                    raise TimeoutError(f"nothing has come to an end by {self._now:.0f} s")
        finally:
            self._close_tasks()
            asyncio._set_running_loop(None)

    def _ended(self, main: asyncio.Task[None]) -> None:
        if (error := main.exception()) and not isinstance(error, Killed):
            raise error

    def _step(self) -> bool:
        while self._timers and self._timers[0][0] <= self._now:
            *_, handle, process = heapq.heappop(self._timers)
            if process.alive and not handle.cancelled():
                process.ready.append(handle)
        able = [one for one in self._processes if one.ready and one.thaws_at <= self._now]
        if able:
            handle = (able[0] if len(able) == 1 else self.rng.choice(able)).ready.popleft()
            if not handle.cancelled():
                handle._run()
            return True
        thaws = [one.thaws_at for one in self._processes if one.ready]
        due = [*thaws, self._timers[0][0]] if self._timers else thaws
        if due:
            self._now = max(self._now, min(due))
        return bool(due)

    def _close_tasks(self) -> None:
        for process in self._processes:
            process.kill()
        for task in self._tasks:
            if not task.done():
                with suppress(RuntimeError):  # it awaits in a `finally`: a killed process never gets there
                    task.get_coro().close()

    # -- what asyncio asks of a loop -----------------------------------------------------------------------------

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        process = handle._context.get(PROCESS)
        if process is not None and process.alive:  # None: a coroutine is closed after the end
            process.ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        process = handle._context.get(PROCESS)
        heapq.heappush(self._timers, (when, next(self._numbers), handle, process))
        return handle

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, work: Any, *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=self, name=name, context=context)
        task._log_destroy_pending = False
        self._tasks.append(task)
        return task

    def run_in_executor(self, executor: Any, function: Any, *args: Any) -> asyncio.Future[Any]:
        """The thread begins and its answer arrives when chance has it; what it does in between is one step."""
        future = self.create_future()

        def work() -> None:
            try:
                result = function(*args)
            except Exception as error:  # noqa: BLE001 - it goes to the task that waits for the thread
                arrive = partial(future.set_exception, error)
            else:
                arrive = partial(future.set_result, result)
            self.call_later(self.rng.uniform(0, 0.2), lambda: future.done() or arrive())

        self.call_later(self.rng.uniform(0, 0.2), work)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), Killed):
            self.failures.append(context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """The heap drops it when its time comes."""


class Killed(BaseException):
    """The process was killed in the middle of a statement."""
