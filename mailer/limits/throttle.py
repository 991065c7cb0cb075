"""The limits of relays and providers, held together by all processes and hosts on one database.

What was spent is a row for each limited relay and provider. It is locked, read and written in the transaction that
records the attempts, so a limit costs no transaction of its own, and what has no limit costs nothing. A mail is
let through a little ahead of its moment and waits for that; so neither commits nor many workers blur the pace.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, bindparam, select, update

from mailer.database import insert_if_absent, table
from mailer.limits.budget import SECOND, Budget, Limit
from mailer.limits.models import ThrottleState
from mailer.limits.rates import ProviderLimits, RelayLimits, providers_by_domain

LOOKAHEAD_MICROSECONDS = (
    SECOND // 2
)  # microseconds; also how long a pause or a withdrawal may find a mail on its way
MAX_QUEUE_MICROSECONDS = (
    300 * SECOND
)  # how long the queue for a provider may be; who finds it longer comes back then
TOLERANCE_MICROSECONDS = (
    50_000  # what a delivery may come back after its place in the queue, and what it may be early for it
)
QUEUE_RATE_PER_CONNECTION = 50  # a second: how fast the queue moves where only connections are limited

throttle = table(ThrottleState)


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """A delivery that is to go out through `relay` to an address at `domain`.

    `appointed`: it was told to come back about now.
    """

    delivery_id: int
    relay: str
    domain: str | None
    appointed: bool = False


@dataclass(frozen=True, slots=True)
class Reservation:
    """It may go out, `at` that moment."""

    at: datetime


@dataclass(frozen=True, slots=True)
class RelayFull:
    """The relay takes nothing more before `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class ProviderFull:
    """The recipient's provider is to get nothing more for now; come back at `until`. Others are not concerned.

    `appointed`: there is a place in the queue for it then.
    """

    until: datetime
    appointed: bool


Admission = Reservation | RelayFull | ProviderFull


class Throttle:
    """Says what may go out when, through which relay, to which provider."""

    def __init__(
        self, relays: Mapping[str, RelayLimits], providers: Mapping[str, ProviderLimits], zone: str
    ) -> None:
        self._relays, self._providers, self._zone = relays, providers, zone
        self._provider_of = providers_by_domain(providers)

    @property
    def is_open(self) -> bool:
        """Whether there are no limits at all, so that nobody has to ask."""
        return not (self._providers or any(limits.are_set for limits in self._relays.values()))

    @property
    def minds_domains(self) -> bool:
        """Whether it matters where an address is."""
        return bool(self._provider_of)

    @property
    def counts_connections(self) -> bool:
        """Whether it matters what is in the air."""
        return any(limits.connections for limits in self._providers.values())

    def admit(
        self,
        connection: Connection,
        asks: Sequence[AdmissionRequest],
        now: datetime,
        in_the_air: Callable[[], Iterable[str]] = tuple,
    ) -> dict[int, Admission]:
        """Let through what the limits allow. `in_the_air` finds the domains of the mails that are being offered.

        What it took is spent when the transaction commits; until then no other process gets anything of it.
        """
        book = _Book(self._budgets(connection, asks, now), _micros(now))
        busy = Counter(
            self._provider_of.get(domain) for domain in in_the_air()
        )  # now that the rows are locked
        admitted: dict[int, Admission] = {}
        for ask in asks:
            provider = self._provider_of.get(ask.domain or "")
            if provider is None:
                admitted[ask.delivery_id] = book.admit(_relay(ask.relay))
                continue
            most, name = self._providers[provider].connections, _provider(provider)
            crowded = most is not None and busy[provider] >= most
            admission = book.enqueue(name) if crowded else book.admit_to(name, ask)
            busy[provider] += isinstance(admission, Reservation)
            admitted[ask.delivery_id] = admission
        _save(connection, book.changed())
        return admitted

    def opens_at(self, connection: Connection, now: datetime) -> datetime:
        """When a relay next has room: `now` while any has. Locks nothing and spends nothing."""
        rows = {
            row.name: row.usage_log
            for row in connection.execute(select(throttle.c.name, throttle.c.usage_log))
        }
        moments = []
        for name, limits in self._relays.items():
            budget = Budget.read(
                limits.at(now, self._zone),
                rows.get(_relay(name), "{}"),
                _micros(now) + LOOKAHEAD_MICROSECONDS,
            )
            opening = _instant(budget.next(_micros(now)))
            moments.append(min(opening, limits.changes(now, self._zone) or opening))
        return max(now, min(moments))

    def _budgets(
        self, connection: Connection, asks: Sequence[AdmissionRequest], now: datetime
    ) -> dict[str, Budget]:
        limits = self._limits_of(asks, now)
        spent = _locked(connection, limits) if limits else {}
        latest = _micros(now) + MAX_QUEUE_MICROSECONDS
        return {name: Budget.read(limits[name], text, latest) for name, text in spent.items()}

    def _limits_of(self, asks: Sequence[AdmissionRequest], now: datetime) -> dict[str, tuple[Limit, ...]]:
        found = {_relay(name): self._relays[name].at(now, self._zone) for name in {ask.relay for ask in asks}}
        found = {name: limits for name, limits in found.items() if limits}
        for name in {self._provider_of[ask.domain] for ask in asks if ask.domain in self._provider_of}:
            limits = self._providers[name]
            found[_provider(name)] = tuple(limits.limits())
            pace = Limit("second", QUEUE_RATE_PER_CONNECTION * (limits.connections or 1), SECOND)
            found[_queue(_provider(name))] = found[_provider(name)] or (pace,)
        return found


class _Book:
    """The budgets of one transaction. Behind each provider's stands a second one, its queue.

    A delivery that finds its provider full takes a place in the queue and comes back when that is due. Newcomers
    stand behind the queue, those with an appointment do not.
    """

    def __init__(self, budgets: Mapping[str, Budget], now: int) -> None:
        self._now = now
        self._budgets = budgets
        self._after: dict[str, Budget] = {}
        self._changed: set[str] = set()

    def admit(self, relay: str, earliest: int | None = None) -> Admission:
        """Whoever is no provider's."""
        at = self._next(relay, earliest or self._now)
        if at > self._now + LOOKAHEAD_MICROSECONDS:
            return RelayFull(_instant(self._turn_after(relay) - LOOKAHEAD_MICROSECONDS))
        self._take(relay, at)
        return Reservation(_instant(at))

    def admit_to(self, provider: str, ask: AdmissionRequest) -> Admission:
        """Who goes to a provider: when both it and the relay have room."""
        at = self._next(_relay(ask.relay), self._now)
        opening = self._next(provider, at)
        if not ask.appointed:
            opening = self._next(_queue(provider), opening)
        if opening > at + TOLERANCE_MICROSECONDS and ask.appointed:
            return ProviderFull(_instant(self._turn_after(provider)), appointed=True)
        if opening > at + TOLERANCE_MICROSECONDS:
            return self.enqueue(provider)
        admission = self.admit(_relay(ask.relay), opening)
        if isinstance(admission, Reservation):
            self._take(provider, opening)
            if not ask.appointed:
                self._take(_queue(provider), opening)
        return admission

    def enqueue(self, provider: str) -> ProviderFull:
        """A place in the queue, if it is not too long for one."""
        opening = self._next(provider, self._now)
        place = self._next(_queue(provider), opening)
        if place > self._now + MAX_QUEUE_MICROSECONDS:
            return ProviderFull(_instant(max(opening, self._now + MAX_QUEUE_MICROSECONDS)), appointed=False)
        self._take(_queue(provider), place)
        return ProviderFull(_instant(place + TOLERANCE_MICROSECONDS), appointed=True)

    def changed(self) -> dict[str, str]:
        """What is to be written down."""
        return {name: self._budgets[name].written() for name in self._changed}

    def _next(self, name: str, at: int) -> int:
        return self._budgets[name].next(at) if name in self._budgets else at

    def _take(self, name: str, at: int) -> None:
        if name in self._budgets:
            self._budgets[name].take(at)
            self._changed.add(name)

    def _turn_after(self, name: str) -> int:
        """When one more would be let through, after those who were turned away here: so not all come back at once."""
        if name not in self._after:
            self._after[name] = self._budgets[name].copy()
        return self._after[name].take(self._now)


def _locked(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    """What was spent, by name, locked against all others until commit; always in the same order."""
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


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _instant(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
