"""The settings of limits: each relay, its warm-up, and the providers of recipients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt

from mailer.errors import ConfigurationError
from mailer.limits.budget import SECOND, Limit

SPANS = {"second": SECOND, "minute": 60 * SECOND, "hour": 3600 * SECOND, "day": 86400 * SECOND}

# Domains whose mail one company takes. Larger than a person, so they may be named in the database.
PROVIDERS: Mapping[str, tuple[str, ...]] = {
    "gmail": ("gmail.com", "googlemail.com"),
    "microsoft": (
        *("outlook.com", "hotmail.com", "live.com", "msn.com", "windowslive.com", "outlook.de", "outlook.fr"),
        *("hotmail.co.uk", "hotmail.de", "hotmail.fr", "hotmail.it", "hotmail.nl", "hotmail.be"),
        *("live.nl", "live.be", "live.de", "live.fr", "live.co.uk"),
    ),
    "yahoo": (
        *("yahoo.com", "ymail.com", "rocketmail.com", "aol.com", "yahoo.co.uk", "yahoo.de", "yahoo.es"),
        *("yahoo.fr", "yahoo.it", "yahoo.nl"),
    ),
    "apple": ("icloud.com", "me.com", "mac.com"),
    "proton": ("proton.me", "protonmail.com", "pm.me"),
    "gmx": ("gmx.de", "gmx.net", "gmx.com", "gmx.at", "gmx.ch", "web.de", "mail.com"),
    "kpn": ("kpnmail.nl", "kpnplanet.nl", "planet.nl", "hetnet.nl", "xs4all.nl", "telfort.nl"),
    "ziggo": ("ziggo.nl", "home.nl", "upcmail.nl", "casema.nl", "chello.nl", "quicknet.nl"),
}


def _domain(value: str) -> str:
    return value.lower().lstrip("@")


class _LimitsSection(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rates(_LimitsSection):
    """The most mails in any second, minute, hour or day; None is no limit."""

    per_second: PositiveInt | None = None
    per_minute: PositiveInt | None = None
    per_hour: PositiveInt | None = None
    per_day: PositiveInt | None = None

    def limits(self) -> Iterator[Limit]:
        """The limits that are set."""
        for name, span in SPANS.items():
            if (most := getattr(self, f"per_{name}")) is not None:
                yield Limit(name, most, span)


class WarmUp(_LimitsSection):
    """`first_day` mails on the day `start`, `growth` times as many on each next one, for `days` days."""

    start: date
    first_day: PositiveInt = 500
    growth: float = Field(default=2.0, ge=1, le=100)
    days: int = Field(default=10, ge=1, le=365)

    def most(self, today: date) -> int | None:
        """How many may go out on `today`; None after the warm-up. Before `start` it is as many as on `start`."""
        passed = max(0, (today - self.start).days)
        return int(self.first_day * self.growth**passed) if passed < self.days else None


class RelayLimits(Rates):
    """The limits of a relay. The mails of a second are spread evenly over it."""

    warm_up: WarmUp | None = None

    @property
    def any_is_set(self) -> bool:
        """Whether there is any limit."""
        return self != RelayLimits()

    def at(self, now: datetime, zone: str) -> tuple[Limit, ...]:
        """The limits that hold at `now`; the days of a warm-up are those of `zone`."""
        found = {limit.name: limit for limit in self.limits()}
        if self.per_second is not None:
            found["second"] = Limit("second", 1, -(-SECOND // self.per_second))
        if self.warm_up and (most := self.warm_up.most(now.astimezone(ZoneInfo(zone)).date())):
            found["day"] = Limit("day", min(most, self.per_day or most), SPANS["day"])
        return tuple(found.values())

    def next_change(self, now: datetime, zone: str) -> datetime | None:
        """When the warm-up next lets more through; None without a warm-up, or after it."""
        local = now.astimezone(ZoneInfo(zone))
        if self.warm_up is None or self.warm_up.most(local.date()) is None:
            return None
        tomorrow = max(local.date(), self.warm_up.start) + timedelta(days=1)
        return datetime.combine(tomorrow, time.min, ZoneInfo(zone))


class ProviderLimits(Rates):
    """The limits of a provider of recipients: rates, and how many mails to it may be in flight at once.

    `domains` can be left out for the built-in providers.
    """

    domains: tuple[Annotated[str, AfterValidator(_domain)], ...] = ()
    connections: PositiveInt | None = None


def providers_by_domain(providers: Mapping[str, ProviderLimits]) -> dict[str, str]:
    """The provider of each domain, for all providers that are limited.

    Raises ConfigurationError for a provider without domains that is not built in, and for a domain of two providers.
    """
    found: dict[str, str] = {}
    for name, limits in providers.items():
        domains = limits.domains or PROVIDERS.get(name, ())
        if not domains:
            raise ConfigurationError(
                f"[providers.{name}] names no domains, and no provider of that name is built in.",
                hint=f'Give it domains = ["example.com"]. Built in are {", ".join(PROVIDERS)}.',
            )
        for domain in domains:
            if found.setdefault(domain, name) != name:
                raise ConfigurationError(
                    f"{domain} is in [providers.{found[domain]}] and [providers.{name}]."
                )
    return found
