"""A discrete-event simulation: a clock, resources with a capacity, and steps that wait for them."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from itertools import count


class Resource:
    """A resource with a capacity, served in the order of requests."""

    def __init__(self, name: str, capacity: int = 1) -> None:
        self.name = name
        self.capacity = self.free = capacity
        self.waiting: deque[Step] = deque()
        self.busy = 0.0


@dataclass(frozen=True, slots=True)
class Take:
    """Wait for a resource, and hold it."""

    resource: Resource


@dataclass(frozen=True, slots=True)
class Release:
    """Release a resource."""

    resource: Resource


@dataclass(frozen=True, slots=True)
class Spend:
    """Let seconds pass; they count as work of the resources."""

    seconds: float
    on: tuple[Resource, ...] = ()


class Sleep:
    """Wait until `World.wake` is called."""


Act = Take | Release | Spend | Sleep
Step = Generator[Act, None, None]


class World:
    """The clock, and the steps that wait for it."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Step]] = []
        self._numbers = count()

    def wake(self, step: Step, after: float = 0.0) -> None:
        """Continue `step` after that many seconds."""
        heapq.heappush(self._due, (self.now + after, next(self._numbers), step))

    def run(self) -> None:
        """Run until no step is left."""
        while self._due:
            self.now, _, step = heapq.heappop(self._due)
            self._go_on(step)

    def _go_on(self, step: Step) -> None:
        for act in step:
            match act:
                case Take(resource):
                    if not resource.free:
                        resource.waiting.append(step)
                        return
                    resource.free -= 1
                case Release(resource):
                    if resource.waiting:
                        self.wake(resource.waiting.popleft())
                    else:
                        resource.free += 1
                case Spend(seconds, on):
                    for resource in on:
                        resource.busy += seconds
                    self.wake(step, seconds)
                    return
                case Sleep():
                    return


def work(seconds: float, *resources: Resource, also: tuple[Resource, ...] = ()) -> Step:
    """Hold all of `resources` for that time; it counts as work of `also` as well."""
    for resource in resources:
        yield Take(resource)
    yield Spend(seconds, (*resources, *also))
    for resource in resources:
        yield Release(resource)
