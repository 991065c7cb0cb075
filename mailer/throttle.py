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
from typing import Self

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from mailer.budget import SECOND, Budget, Limit
from mailer.columns import table
from mailer.limits import ProviderLimits, RelayLimits, providers_by_domain
from mailer.models import Throttle as ThrottleRow
from mailer.settings import Settings

AHEAD = SECOND // 2  # microseconds; also how long a pause or a withdrawal may find a mail on its way
CROWDED = SECOND  # until a provider that has all its connections is tried again

throttle = table(ThrottleRow)


@dataclass(frozen=True, slots=True)
class Ask:
    """A delivery that is to go out through `relay` to an address at `domain`."""

    delivery_id: int
    relay: str
    domain: str | None


@dataclass(frozen=True, slots=True)
class Slot:
    """It may go out, `at` that moment."""

    at: datetime


@dataclass(frozen=True, slots=True)
class RelayFull:
    """The relay takes nothing more before `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class ProviderFull:
    """The recipient's provider is to get nothing more before `until`; others are not concerned."""

    until: datetime


Admission = Slot | RelayFull | ProviderFull


class Throttle:
    """Says what may go out when, through which relay, to which provider."""

    def __init__(
        self, relays: Mapping[str, RelayLimits], providers: Mapping[str, ProviderLimits], zone: str
    ) -> None:
        self._relays, self._providers, self._zone = relays, providers, zone
        self._provider_of = providers_by_domain(providers)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The throttle that the settings describe."""
        relays = {name: relay.limits for name, relay in settings.every_relay.items()}
        return cls(relays, settings.providers, settings.zone)

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
        asks: Sequence[Ask],
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
            most = self._providers[provider].connections if provider else None
            if most is not None and busy[provider] >= most:
                admitted[ask.delivery_id] = ProviderFull(_instant(book.now + CROWDED))
                continue
            admission = book.admit(_relay(ask.relay), provider and _provider(provider))
            if isinstance(admission, Slot):
                busy[provider] += 1
            admitted[ask.delivery_id] = admission
        _save(connection, book.changed())
        return admitted

    def opens_at(self, connection: Connection, now: datetime) -> datetime:
        """When a relay next has room: `now` while any has. Locks nothing and spends nothing."""
        rows = {row.name: row.spent for row in connection.execute(select(throttle.c.name, throttle.c.spent))}
        moments = []
        for name, limits in self._relays.items():
            budget = Budget.read(
                limits.at(now, self._zone), rows.get(_relay(name), "{}"), _micros(now) + AHEAD
            )
            opening = _instant(budget.next(_micros(now)))
            moments.append(min(opening, limits.changes(now, self._zone) or opening))
        return max(now, min(moments))

    def _budgets(self, connection: Connection, asks: Sequence[Ask], now: datetime) -> dict[str, Budget]:
        limits = self._limits_of(asks, now)
        spent = _locked(connection, limits) if limits else {}
        latest = _micros(now) + AHEAD
        return {name: Budget.read(limits[name], text, latest) for name, text in spent.items()}

    def _limits_of(self, asks: Sequence[Ask], now: datetime) -> dict[str, tuple[Limit, ...]]:
        found = {_relay(name): self._relays[name].at(now, self._zone) for name in {ask.relay for ask in asks}}
        found = {name: limits for name, limits in found.items() if limits}
        names = {self._provider_of.get(ask.domain or "") for ask in asks}
        return found | {_provider(name): tuple(self._providers[name].limits()) for name in names if name}


class _Book:
    """The budgets of one transaction, and what would be spent after what was refused: when to ask again."""

    def __init__(self, budgets: Mapping[str, Budget], now: int) -> None:
        self.now = now
        self._budgets = budgets
        self._after: dict[str, Budget] = {}
        self._changed: set[str] = set()

    def admit(self, relay: str, provider: str | None) -> Admission:
        at = self._next(relay, self.now)
        if provider and self._next(provider, at) > at:
            return ProviderFull(_instant(self._turn(provider)))
        if at > self.now + AHEAD:
            return RelayFull(_instant(self._turn(relay) - AHEAD))
        for name in {relay, provider or relay} & self._budgets.keys():
            self._budgets[name].take(at)
            self._changed.add(name)
        return Slot(_instant(at))

    def changed(self) -> dict[str, str]:
        return {name: self._budgets[name].written() for name in self._changed}

    def _next(self, name: str, at: int) -> int:
        return self._budgets[name].next(at) if name in self._budgets else at

    def _turn(self, name: str) -> int:
        """Where in the queue behind a limit one more would stand; so not all come back at the same moment."""
        if name not in self._after:
            self._after[name] = self._budgets[name].copy()
        return self._after[name].take(self.now)


def _locked(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    """What was spent, by name, locked against all others until commit; always in the same order."""
    wanted = sorted(names)
    rows = select(throttle).where(throttle.c.name.in_(wanted)).order_by(throttle.c.name).with_for_update()
    found = {row.name: row.spent for row in connection.execute(rows)}
    if len(found) == len(wanted):
        return found
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(
        insert(throttle).on_conflict_do_nothing(), [{"name": name, "spent": "{}"} for name in wanted]
    )
    return {row.name: row.spent for row in connection.execute(rows)}


def _save(connection: Connection, spent: Mapping[str, str]) -> None:
    if spent:
        connection.execute(_SAVE, [{"row": name, "log": text} for name, text in spent.items()])


_SAVE = update(throttle).where(throttle.c.name == bindparam("row")).values(spent=bindparam("log"))


def _relay(name: str) -> str:
    return f"relay {name}"


def _provider(name: str) -> str:
    return f"provider {name}"


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _instant(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
