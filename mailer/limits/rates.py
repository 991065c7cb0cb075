"""The settings of limits: for relays, their warm-up, and providers of recipients."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo

from msgspec import Meta

from mailer.errors import ConfigurationError
from mailer.limits.budget import SECOND, Limit
from mailer.settings_section import Checks, PositiveInt, SettingsSection

SPANS = {"second": SECOND, "minute": 60 * SECOND, "hour": 3600 * SECOND, "day": 86400 * SECOND}

# The domains of large providers. They identify no person, so the database may contain their names.
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


class Rates(SettingsSection, frozen=True):
    """The maximum number of mails in any second, minute, hour or day; None means no limit."""

    per_second: PositiveInt | None = None
    per_minute: PositiveInt | None = None
    per_hour: PositiveInt | None = None
    per_day: PositiveInt | None = None

    def limits(self) -> Iterator[Limit]:
        """The limits that are set."""
        for name, span in SPANS.items():
            if (most := getattr(self, f"per_{name}")) is not None:
                yield Limit(name, most, span)


class WarmUp(SettingsSection, frozen=True):
    """A maximum of `first_day` mails on the day `start`, and `growth` times more on each next day, for `days` days."""

    start: date
    first_day: PositiveInt = 500
    growth: Annotated[float, Meta(ge=1, le=100)] = 2.0
    days: Annotated[int, Meta(ge=1, le=365)] = 10

    def most(self, today: date) -> int | None:
        """The maximum on `today`; None after the warm-up or beyond all floats. Before `start` it is that of `start`."""
        passed = max(0, (today - self.start).days)
        try:
            return int(self.first_day * self.growth**passed) if passed < self.days else None
        except OverflowError:
            return None


class RelayLimits(Rates, frozen=True):
    """The limits of a relay. `per_second` also spaces the mails evenly."""

    warm_up: WarmUp | None = None

    @property
    def any_is_set(self) -> bool:
        """Whether there is any limit."""
        return self != RelayLimits()

    def at(self, now: datetime, zone: str) -> tuple[Limit, ...]:
        """The limits at `now`. The days of a warm-up begin at midnight in `zone`."""
        found = {limit.name: limit for limit in self.limits()}
        if self.per_second is not None:
            found["second"] = Limit("second", 1, -(-SECOND // self.per_second))
        if self.warm_up and (most := self.warm_up.most(now.astimezone(ZoneInfo(zone)).date())):
            found["day"] = Limit("day", min(most, self.per_day or most), SPANS["day"])
        return tuple(found.values())

    def next_change(self, now: datetime, zone: str) -> datetime | None:
        """The time of the next increase of the warm-up; None without a warm-up, after it, or beyond all dates."""
        local = now.astimezone(ZoneInfo(zone))
        if self.warm_up is None or self.warm_up.most(local.date()) is None:
            return None
        today = max(local.date(), self.warm_up.start)
        if today == date.max:
            return None
        tomorrow = today + timedelta(days=1)
        return datetime.combine(tomorrow, time.min, ZoneInfo(zone))


class ProviderLimits(Rates, frozen=True):
    """The limits of a provider of recipients: rates, and the number of mails to it in flight at once.

    The built-in providers need no `domains`.
    """

    domains: tuple[str, ...] = ()
    connections: PositiveInt | None = None

    checks: ClassVar[Checks] = {"domains": lambda domains: tuple(one.lower().lstrip("@") for one in domains)}


def providers_by_domain(providers: Mapping[str, ProviderLimits]) -> dict[str, str]:
    """The provider of each domain, for all providers with limits.

    Raises ConfigurationError if a provider has no domains and is not built in, or if two providers have one domain.
    """
    found: dict[str, str] = {}
    for name, limits in providers.items():
        domains = limits.domains or PROVIDERS.get(name, ())
        if not domains:
            raise ConfigurationError(
                f"[providers.{name}] has no domains, and no built-in provider has this name.",
                hint=f'Give it domains = ["example.com"]. Built in are {", ".join(PROVIDERS)}.',
            )
        for domain in domains:
            if found.setdefault(domain, name) != name:
                raise ConfigurationError(
                    f"{domain} is in [providers.{found[domain]}] and [providers.{name}]."
                )
    return found
