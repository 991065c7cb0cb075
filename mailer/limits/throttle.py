"""Apply the limits of relays and providers, for all processes and hosts with one database.

Each relay and provider with limits has a row with its usage. The transaction that records the attempts locks, reads
and writes the row, so limits need no extra transaction, and cost nothing where there are none. A mail is admitted
shortly before its time and then waits for that time. So neither the duration of commits nor the number of workers
changes the rate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Column, Connection, String, Table, Text, bindparam, select, update

from mailer.database import TABLES, insert_if_absent
from mailer.limits.admission import Admission, AdmissionRequest, ProviderFull, RelayFull, Reservation
from mailer.limits.budget import SECOND, Budget, Limit
from mailer.limits.rates import ProviderLimits, RelayLimits, providers_by_domain

# How long before its time a mail is admitted. A pause or a withdrawal in between does not stop it.
LOOKAHEAD_MICROSECONDS = SECOND // 2
# The longest queue for a provider. If the queue is longer, a delivery asks again after this time.
MAX_QUEUE_MICROSECONDS = 300 * SECOND
# How much later than its place in the queue a delivery may ask again, and how much earlier it may go.
TOLERANCE_MICROSECONDS = 50_000
QUEUE_RATE_PER_CONNECTION = 50  # mails a second, where only the number of connections is limited

throttle = Table("throttle", TABLES, Column("name", String(120), primary_key=True), Column("usage_log", Text))


class Throttle:
    """Decides when deliveries may go through which relay to which provider."""

    def __init__(
        self, relays: Mapping[str, RelayLimits], providers: Mapping[str, ProviderLimits], zone: str
    ) -> None:
        self._relays, self._providers, self._zone = relays, providers, zone
        self._provider_of = providers_by_domain(providers)

    @property
    def needs_domains(self) -> bool:
        """Whether a request needs the domain of the address."""
        return bool(self._provider_of)

    @property
    def limits_connections(self) -> bool:
        """Whether the number of mails in flight to a provider is limited."""
        return any(limits.connections for limits in self._providers.values())

    def admit(
        self,
        connection: Connection,
        requests: Sequence[AdmissionRequest],
        now: datetime,
        in_flight: Callable[[], Iterable[str]] = tuple,
    ) -> dict[int, Admission]:
        """Admit what the limits allow. `in_flight` finds the domains of the mails in flight.

        The usage is recorded when the transaction commits. Until then other processes wait for the rows.
        """
        admissions = _Admissions(self._budgets(connection, requests, now), _to_microseconds(now))
        # Read after the rows are locked: a transaction that held the lock may have added mails in flight.
        in_flight_at = Counter(self._provider_of.get(domain) for domain in in_flight())
        admitted: dict[int, Admission] = {}
        for request in requests:
            provider = self._provider_of.get(request.domain or "")
            if provider is None:
                admitted[request.delivery_id] = admissions.admit(_relay(request.relay))
                continue
            most, name = self._providers[provider].connections, _provider(provider)
            is_full = most is not None and in_flight_at[provider] >= most
            admission = admissions.enqueue(name) if is_full else admissions.admit_to(name, request)
            in_flight_at[provider] += isinstance(admission, Reservation)
            admitted[request.delivery_id] = admission
        _save(connection, admissions.changed())
        return admitted

    def count(self, connection: Connection, relay: str, domain: str, now: datetime) -> None:
        """Count a mail that does not wait for the limits. Those that wait then wait longer."""
        request = AdmissionRequest(0, relay, domain)
        moment, changed = _to_microseconds(now), {}
        for name, budget in self._budgets(connection, [request], now).items():
            budget.count(moment)
            changed[name] = budget.to_json()
        _save(connection, changed)

    def opens_at(self, connection: Connection, now: datetime) -> datetime:
        """When a relay next allows a mail; `now` if one allows it now. Locks and changes nothing."""
        rows = {
            row.name: row.usage_log
            for row in connection.execute(select(throttle.c.name, throttle.c.usage_log))
        }
        moments = []
        for name, limits in self._relays.items():
            budget = Budget.from_json(
                limits.at(now, self._zone),
                rows.get(_relay(name), "{}"),
                _to_microseconds(now) + LOOKAHEAD_MICROSECONDS,
            )
            opening = _from_microseconds(budget.next(_to_microseconds(now)))
            moments.append(min(opening, limits.next_change(now, self._zone) or opening))
        return max(now, min(moments))

    def _budgets(
        self, connection: Connection, requests: Sequence[AdmissionRequest], now: datetime
    ) -> dict[str, Budget]:
        limits = self._limits_of(requests, now)
        spent = _lock_usage(connection, limits) if limits else {}
        latest = _to_microseconds(now) + MAX_QUEUE_MICROSECONDS
        return {name: Budget.from_json(limits[name], text, latest) for name, text in spent.items()}

    def _limits_of(self, requests: Sequence[AdmissionRequest], now: datetime) -> dict[str, tuple[Limit, ...]]:
        found = {
            _relay(name): self._relays[name].at(now, self._zone)
            for name in {request.relay for request in requests}
        }
        found = {name: limits for name, limits in found.items() if limits}
        for name in {
            self._provider_of[request.domain] for request in requests if request.domain in self._provider_of
        }:
            limits = self._providers[name]
            found[_provider(name)] = tuple(limits.limits())
            pace = Limit("second", QUEUE_RATE_PER_CONNECTION * (limits.connections or 1), SECOND)
            found[_queue(_provider(name))] = found[_provider(name)] or (pace,)
        return found


class _Admissions:
    """The budgets in one transaction. Each provider has a second budget for its queue.

    If a provider is full, a delivery reserves a place in its queue and asks again when that is due. A delivery
    without a place must wait for the queue; a delivery with a place need not.
    """

    def __init__(self, budgets: Mapping[str, Budget], now: int) -> None:
        self._now = now
        self._budgets = budgets
        self._refused: dict[str, Budget] = {}
        self._changed: set[str] = set()

    def admit(self, relay: str, earliest: int | None = None) -> Admission:
        """Decide about a delivery by the limits of the relay only."""
        at = self._next(relay, earliest or self._now)
        if at > self._now + LOOKAHEAD_MICROSECONDS:
            return RelayFull(_from_microseconds(self._next_after_refusals(relay) - LOOKAHEAD_MICROSECONDS))
        self._take(relay, at)
        return Reservation(_from_microseconds(at))

    def admit_to(self, provider: str, request: AdmissionRequest) -> Admission:
        """Decide about a delivery by the limits of the provider and of the relay."""
        at = self._next(_relay(request.relay), self._now)
        opening = self._next(provider, at)
        if not request.has_place:
            opening = self._next(_queue(provider), opening)
        if opening > at + TOLERANCE_MICROSECONDS and request.has_place:
            return ProviderFull(_from_microseconds(self._next_after_refusals(provider)), has_place=True)
        if opening > at + TOLERANCE_MICROSECONDS:
            return self.enqueue(provider)
        admission = self.admit(_relay(request.relay), opening)
        if isinstance(admission, Reservation):
            self._take(provider, opening)
            if not request.has_place:
                self._take(_queue(provider), opening)
        return admission

    def enqueue(self, provider: str) -> ProviderFull:
        """Reserve a place in the provider's queue, unless the queue is too long."""
        opening = self._next(provider, self._now)
        place = self._next(_queue(provider), opening)
        if place > self._now + MAX_QUEUE_MICROSECONDS:
            return ProviderFull(
                _from_microseconds(max(opening, self._now + MAX_QUEUE_MICROSECONDS)), has_place=False
            )
        self._take(_queue(provider), place)
        return ProviderFull(_from_microseconds(place + TOLERANCE_MICROSECONDS), has_place=True)

    def changed(self) -> dict[str, str]:
        """The changed usage as JSON, by name."""
        return {name: self._budgets[name].to_json() for name in self._changed}

    def _next(self, name: str, at: int) -> int:
        return self._budgets[name].next(at) if name in self._budgets else at

    def _take(self, name: str, at: int) -> None:
        if name in self._budgets:
            self._budgets[name].take(at)
            self._changed.add(name)

    def _next_after_refusals(self, name: str) -> int:
        """When the limits allow one more after those refused here, so that these do not all ask again at once."""
        if name not in self._refused:
            self._refused[name] = self._budgets[name].copy()
        return self._refused[name].take(self._now)


def _lock_usage(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    """The usage by name. The rows are locked until commit, always in the same order, so transactions do not deadlock."""
    wanted = sorted(names)
    rows = select(throttle).where(throttle.c.name.in_(wanted)).order_by(throttle.c.name).with_for_update()
    found = {row.name: row.usage_log for row in connection.execute(rows)}
    if len(found) == len(wanted):
        return found
    insert_if_absent(connection, throttle, [{"name": name, "usage_log": "{}"} for name in wanted])
    return {row.name: row.usage_log for row in connection.execute(rows)}


def _save(connection: Connection, spent: Mapping[str, str]) -> None:
    if spent:
        connection.execute(_SAVE, [{"row": name, "log": text} for name, text in spent.items()])


_SAVE = update(throttle).where(throttle.c.name == bindparam("row")).values(usage_log=bindparam("log"))


def _relay(name: str) -> str:
    return f"relay {name}"


def _provider(name: str) -> str:
    return f"provider {name}"


def _queue(provider: str) -> str:
    return f"{provider} queue"


def _to_microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _from_microseconds(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
