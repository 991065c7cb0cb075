"""The cost model of docs/scaling.md: the cost of a message, simulated for any number of processes and hosts.

A discrete-event simulation in which each connection goes round its loop: wait for a group commit, have the mail
put together and signed, hand it to the relay, and again. What it waits for are resources with a capacity, and
the one that is busy nearly always is the one that gives way first. `python -m benchmarks.scaling` prints the
tables of docs/scaling.md, `--help` lists the costs that can be given.
"""

from __future__ import annotations

import argparse
import heapq
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import count

from campaigns.sending.batches import MAX_WAIT
from campaigns.sending.recorder import MAX_CONCURRENT

MICRO = 1e-6
ROUND_TRIPS_PER_GROUP = 3  # to PostgreSQL


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs, in µs. The defaults are rounded figures of a virtual machine with two cores.

    `loop` and `commit` are a message's share of CPU, of which a process spends one at a time; `sign` is that of the
    process that signs. `sync` is how long a durable commit waits for the disk, whatever the size of the group. `server`
    is PostgreSQL's CPU a message, and `distance` a round trip to it.
    """

    loop: float = 120
    commit: float = 65
    sign: float = 290
    sync: float = 200
    server: float = 120
    distance: float = 200


@dataclass(frozen=True, slots=True)
class Plan:
    """An installation. `connections` are those of each process. `round_trip` is in ms, `relay_limit` in
    messages a second; `sink` is what a relay on the same machine costs it, in µs of CPU.
    """

    name: str
    hosts: int = 1
    processes: int = 1
    cores: int = 2
    connections: int = 20
    signed: bool = False
    postgresql: bool = False
    server_cores: int = 8
    round_trip: float = 0.0
    trips: int = 1
    relay_limit: float | None = None
    sink: float = 0.0


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


@dataclass
class Process:
    """One sender: its event loop, the process that signs for it, who waits for its next commit, and how many are on
    their way to the relay.

    With PostgreSQL threads commit, which share the interpreter with the loop; so they count as the loop's.
    """

    loop: Resource
    cores: Resource
    signer: Resource = field(default_factory=lambda: Resource("the process that signs"))
    waiting: list[Step] = field(default_factory=list)
    in_the_air: int = 0
    gathering: Resource = field(default_factory=lambda: Resource("gathering"))  # one group forms at a time
    rest: Rest | None = None


class Actor:
    """Something that takes steps: a connection, or a committer."""

    step: Step


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """`committer` does not commit until `enough` wait."""

    committer: Actor
    enough: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """The rate of a plan, and how busy each resource was (1.0: always)."""

    rate: float
    busy: dict[str, float]

    @property
    def first_to_give_way(self) -> str:
        """The busiest resource; if none is nearly always busy, there are too few connections."""
        name, share = max(self.busy.items(), key=lambda item: item[1])
        return name if share > 0.9 else "the number of connections"


class Simulation:
    """The simulation of one plan."""

    def __init__(self, plan: Plan, costs: Costs, messages: int) -> None:
        self.plan, self.costs = plan, costs
        self.world = World()
        self.left = messages
        self.writer = Resource("the database's one writer" if not plan.postgresql else "no writer")
        self.server = Resource("the database server's cores", plan.server_cores)
        self.relay = Resource("the relay's limit")
        self.hosts = [Resource("the hosts' cores", plan.cores) for _ in range(plan.hosts)]
        self.processes = [
            Process(Resource("the event loop"), cores) for cores in self.hosts for _ in range(plan.processes)
        ]

    def run(self) -> Forecast:
        messages = self.left
        for process in self.processes:
            for act, actors in ((self._commit, self._abreast), (self._send, self.plan.connections)):
                for _ in range(actors):
                    actor = Actor()
                    actor.step = act(process, actor)
                    self.world.wake(actor.step)
        self.world.run()
        pools: dict[str, list[Resource]] = {}
        shared = [self.server, self.relay] + ([] if self.plan.postgresql else [self.writer])
        own = [one for process in self.processes for one in (process.loop, process.signer)]
        for resource in (*shared, *self.hosts, *own):
            pools.setdefault(resource.name, []).append(resource)
        busy = {
            name: sum(each.busy for each in pool) / sum(each.capacity for each in pool) / self.world.now
            for name, pool in pools.items()
        }
        return Forecast(messages / self.world.now, busy)

    @property
    def _abreast(self) -> int:
        """How many groups of a process are committed at once."""
        return MAX_CONCURRENT if self.plan.postgresql else 1

    def _send(self, process: Process, connection: Actor) -> Step:
        """A connection's loop."""
        plan, costs = self.plan, self.costs
        while self.left > 0:
            self.left -= 1
            process.waiting.append(connection.step)
            if process.rest is not None and len(process.waiting) >= process.rest.enough:
                self._rouse(process, process.rest)
            yield Sleep()
            yield from _work(costs.loop, process.loop, process.cores)
            if plan.signed:
                yield from _work(costs.sign, process.signer, process.cores)
            if plan.relay_limit:
                yield from _work(1e6 / plan.relay_limit, self.relay)
            if plan.sink:
                yield from _work(plan.sink, process.cores)
            yield Spend(plan.trips * plan.round_trip / 1000)
            process.in_the_air -= 1

    def _commit(self, process: Process, committer: Actor) -> Step:
        """Group commits, one after the other."""
        while True:
            yield Take(process.gathering)
            if not process.waiting:
                process.rest = Rest(committer, 1)
                yield Sleep()
            if len(process.waiting) < process.in_the_air:
                process.rest = Rest(committer, (len(process.waiting) + process.in_the_air + 1) // 2)
                self.world.wake(self._stop_waiting(process, process.rest))
                yield Sleep()
            group, process.waiting = process.waiting, []
            yield Release(process.gathering)
            yield from (self._in_a_thread if self.plan.postgresql else self._on_the_loop)(process, len(group))
            process.in_the_air += len(group)
            for step in group:
                self.world.wake(step)

    def _on_the_loop(self, process: Process, group: int) -> Step:
        """SQLite has one writer for all processes. While another process writes, a thread waits."""
        yield Take(process.loop)
        if not self.writer.free:
            yield Release(process.loop)
            yield Take(self.writer)
            yield Take(process.loop)
        else:
            yield Take(self.writer)
        yield from _work(self.costs.commit * group, process.cores, also=(process.loop, self.writer))
        yield Spend(self.costs.sync * MICRO, (process.loop, self.writer))
        yield Release(self.writer)
        yield Release(process.loop)

    def _in_a_thread(self, process: Process, group: int) -> Step:
        """A thread waits for PostgreSQL's replies, while the event loop continues."""
        costs = self.costs
        yield from _work(costs.commit * group, process.loop, process.cores)
        yield from _work(costs.server * group, self.server)
        yield Spend((costs.sync + ROUND_TRIPS_PER_GROUP * costs.distance) * MICRO)

    def _stop_waiting(self, process: Process, rest: Rest) -> Step:
        yield Spend(MAX_WAIT)
        self._rouse(process, rest)

    def _rouse(self, process: Process, rest: Rest) -> None:
        """End `rest`, unless it has ended already."""
        if process.rest is rest:
            process.rest = None
            self.world.wake(rest.committer.step)


def _work(microseconds: float, *resources: Resource, also: tuple[Resource, ...] = ()) -> Step:
    """Hold all of `resources` for that time."""
    for resource in resources:
        yield Take(resource)
    yield Spend(microseconds * MICRO, (*resources, *also))
    for resource in resources:
        yield Release(resource)


def forecast(plan: Plan, costs: Costs) -> Forecast:
    """The rate of `plan` with those costs, simulated with enough messages for every connection."""
    connections = plan.hosts * plan.processes * plan.connections
    return Simulation(plan, costs, max(20_000, 20 * connections)).run()


FAR = Plan("a relay 20 ms away", signed=True, round_trip=20)
PLANS = (
    Plan("SQLite, a relay on the same machine, unsigned", round_trip=0.2),
    Plan("the same, signed", round_trip=0.2, signed=True),
    Plan("the same, two processes", round_trip=0.2, signed=True, processes=2),
    replace(FAR, name="SQLite, signed, a relay 20 ms away, 20 connections"),
    replace(FAR, name="the same without CHUNKING", trips=2),
    replace(FAR, name="the same with CHUNKING, 100 connections", connections=100),
    replace(FAR, name="the same, a relay that takes 200 a second", connections=100, relay_limit=200),
    replace(FAR, name="PostgreSQL, one host of 8 cores, 8 processes", cores=8, processes=8, connections=100,
            postgresql=True, server_cores=16),
    replace(FAR, name="PostgreSQL, 4 such hosts", hosts=4, cores=8, processes=8, connections=100,
            postgresql=True, server_cores=16),
    replace(FAR, name="PostgreSQL, 16 such hosts", hosts=16, cores=8, processes=8, connections=100,
            postgresql=True, server_cores=16),
)  # fmt: skip
AUDIENCES = (1_000_000, 10_000_000, 100_000_000)


def table(costs: Costs, plans: Sequence[Plan] = PLANS) -> list[tuple[str, ...]]:
    """For each plan: its name, its rate, the time for each audience, and the limiting resource."""
    rows = []
    for plan in plans:
        found = forecast(plan, costs)
        times = [_duration(people / found.rate) for people in AUDIENCES]
        rows.append((plan.name, f"{found.rate:,.0f}", *times, found.first_to_give_way))
    return rows


HEADS = (
    "installation",
    "messages/s",
    *(f"{people // 1_000_000} million" for people in AUDIENCES),
    "limiting resource",
)


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description="Play the plans of docs/scaling.md through; costs in µs.")
    for each in fields(Costs):
        parser.add_argument(f"--{each.name}", type=float, default=each.default)
    costs = Costs(**vars(parser.parse_args()))
    print(f"| {' | '.join(HEADS)} |\n|---|{'---:|' * (len(HEADS) - 2)}---|")
    for row in table(costs):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
