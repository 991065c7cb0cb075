"""Senders of one plan, simulated: connections, group commits, and the process that signs.

Each connection goes round its loop: wait for a group commit, have the mail composed and signed, hand it to the relay,
and again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.scaling.costs import MICRO, Costs
from benchmarks.scaling.plans import Plan
from benchmarks.scaling.world import Release, Resource, Sleep, Spend, Step, Take, World, work
from campaigns.sending.gathering import MAX_WAIT

SLICES = 6  # of a signature


@dataclass
class Process:
    """One sender: its event loop, and the process that signs for it, with a thread for each core but one.

    `waiting` are the connections that wait for the next commit; `in_the_air` is how many are on their way to the relay.
    With PostgreSQL too, the loop does the work of a commit; it goes on while the server has it.
    """

    loop: Resource
    cores: Resource
    signer: Resource
    waiting: list[Step] = field(default_factory=list)
    in_the_air: int = 0
    being_signed: int = 0
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
    def limiting_resource(self) -> str:
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
            Process(
                Resource("the event loop"), cores, Resource("the process that signs", max(1, plan.cores - 1))
            )
            for cores in self.hosts
            for _ in range(plan.processes)
        ]

    def run(self) -> Forecast:
        messages = self.left
        for process in self.processes:
            for act in (self._commit, *[self._send] * self.plan.connections):
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

    def _send(self, process: Process, connection: Actor) -> Step:
        """A connection's loop."""
        plan, costs = self.plan, self.costs
        while self.left > 0:
            self.left -= 1
            process.waiting.append(connection.step)
            if process.rest is not None and len(process.waiting) >= process.rest.enough:
                self._rouse(process, process.rest)
            yield Sleep()
            yield from work(costs.loop * MICRO, process.loop, process.cores)
            if plan.signed:
                yield from self._sign(process)
            if plan.relay_limit:
                yield from work(1 / plan.relay_limit, self.relay)
            if plan.sink:
                yield from work(plan.sink * MICRO, process.cores)
            yield Spend(plan.trips * plan.round_trip / 1000)
            process.in_the_air -= 1

    def _sign(self, process: Process) -> Step:
        """A signature, in slices: the system lets the event loop have its core in between."""
        process.being_signed += 1
        yield Take(process.signer)
        for _ in range(SLICES):
            yield from work(self.costs.sign * MICRO / SLICES, process.cores, also=(process.signer,))
        yield Release(process.signer)
        process.being_signed -= 1

    def _commit(self, process: Process, committer: Actor) -> Step:
        """Group commits, one after the other."""
        while True:
            if not process.waiting:
                process.rest = Rest(committer, 1)
                yield Sleep()
            if len(process.waiting) < process.in_the_air:
                process.rest = Rest(committer, (len(process.waiting) + process.in_the_air + 1) // 2)
                self.world.wake(self._stop_waiting(process, process.rest))
                yield Sleep()
            group, process.waiting = process.waiting, []
            yield from (self._on_a_server if self.plan.postgresql else self._on_the_loop)(process, len(group))
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
        yield from work(self.costs.commit * group * MICRO, process.cores, also=(process.loop, self.writer))
        yield Spend(self.costs.sync * MICRO, (process.loop, self.writer))
        yield Release(self.writer)
        yield Release(process.loop)

    def _on_a_server(self, process: Process, group: int) -> Step:
        """PostgreSQL's results take one round trip, while the event loop continues."""
        costs = self.costs
        yield from work(costs.commit * group * MICRO, process.loop, process.cores)
        yield from work(costs.server * group * MICRO, self.server)
        yield Spend((costs.sync + costs.distance) * MICRO)

    def _stop_waiting(self, process: Process, rest: Rest) -> Step:
        yield Spend(MAX_WAIT)
        while process.being_signed and process.rest is rest:
            yield Spend(MAX_WAIT)
        self._rouse(process, rest)

    def _rouse(self, process: Process, rest: Rest) -> None:
        """End `rest`, unless it has ended already."""
        if process.rest is rest:
            process.rest = None
            self.world.wake(rest.committer.step)


def forecast(plan: Plan, costs: Costs) -> Forecast:
    """The rate of `plan` with those costs, simulated with enough messages for every connection."""
    connections = plan.hosts * plan.processes * plan.connections
    return Simulation(plan, costs, max(20_000, 10 * connections)).run()
