"""Limits as the settings say them: rates, warm-up plans and providers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from mailer.errors import ConfigurationError
from mailer.limits import SECOND, Budget, Limit, ProviderLimits, RelayLimits, providers_by_domain
from mailer.limits.rates import PROVIDERS, Rates, WarmUp

ZONE = "Europe/Amsterdam"
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


def test_a_relays_second_is_spread_evenly_and_a_providers_is_not() -> None:
    assert RelayLimits(per_second=50).at(NOON, ZONE) == (Limit("second", 1, 20_000),)
    assert list(ProviderLimits(per_second=50).limits()) == [Limit("second", 50, SECOND)]


def test_a_pace_is_rounded_to_the_slow_side() -> None:
    assert RelayLimits(per_second=3).at(NOON, ZONE) == (Limit("second", 1, 333_334),)


def test_what_is_not_set_is_not_limited() -> None:
    assert list(Rates().limits()) == []
    assert [limit.name for limit in Rates(per_minute=1, per_day=9).limits()] == ["minute", "day"]


class TestWarmUp:
    PLAN = WarmUp(start=date(2026, 12, 1), first_day=500, growth=2, days=5)

    def test_it_doubles_each_day_and_ends(self) -> None:
        days = [self.PLAN.most(date(2026, 12, 1) + timedelta(days=day)) for day in range(6)]
        assert days == [500, 1000, 2000, 4000, 8000, None]

    def test_a_year_of_steep_growth_comes_to_no_limit(self) -> None:
        plan = WarmUp(start=date(2026, 1, 1), growth=10.0, days=365)
        assert plan.most(date(2026, 1, 4)) == 500_000
        assert plan.most(date(2026, 12, 20)) is None

    def test_before_its_start_it_is_as_cold_as_on_the_first_day(self) -> None:
        assert self.PLAN.most(date(2026, 11, 20)) == 500

    def test_a_days_limit_stays_where_it_is_lower(self) -> None:
        limits = RelayLimits(per_day=1500, warm_up=self.PLAN)
        most = [limits.at(NOON + timedelta(days=day), ZONE)[0].most for day in range(6)]
        assert most == [500, 1000, 1500, 1500, 1500, 1500]

    def test_its_days_are_those_of_the_zone(self) -> None:
        limits = RelayLimits(warm_up=self.PLAN)
        late = datetime(2026, 12, 1, 22, 59, tzinfo=UTC)
        assert [limits.at(late + timedelta(minutes=more), ZONE)[0].most for more in (0, 1)] == [500, 1000]
        assert limits.next_change(late, ZONE) == late + timedelta(minutes=1)
        assert limits.next_change(late + timedelta(days=5), ZONE) is None

    @pytest.mark.parametrize("zone", ["Etc/GMT+12", "UTC", "Pacific/Kiritimati"])
    @pytest.mark.parametrize("start", [date.min, date.max - timedelta(days=1), date.max])
    def test_it_may_start_on_any_day(self, start: date, zone: str) -> None:
        limits = RelayLimits(warm_up=WarmUp(start=start, first_day=7, days=365))
        is_past = start == date.min
        assert [one.most for one in limits.at(NOON, zone)] == ([] if is_past else [7])
        change = limits.next_change(NOON, zone)
        assert (change is None) is (is_past or start == date.max)
        assert change is None or change.year == date.max.year

    def test_in_a_week_of_sending_all_that_is_allowed_each_day_has_its_number(self) -> None:
        """A sender that requests every ten minutes, all week, by a clock that is an argument."""
        limits = RelayLimits(warm_up=WarmUp(start=date(2026, 12, 1), first_day=50, growth=2, days=6))
        midnight = datetime(2026, 11, 30, 23, tzinfo=UTC)
        spent, sent = "{}", [0] * 6
        for step in range(6 * 144):
            now = midnight + step * timedelta(minutes=10)
            moment = int(now.timestamp()) * SECOND
            budget = Budget.from_json(limits.at(now, ZONE), spent, moment)
            while budget.next(moment) == moment:
                budget.take(moment)
                sent[step // 144] += 1
            spent = budget.to_json()
        assert sent == [50, 100, 200, 400, 800, 1600]


class TestProviders:
    def test_all_domains_of_a_provider_have_its_limits(self) -> None:
        found = providers_by_domain({"gmail": ProviderLimits(per_second=1)})
        assert found == {"gmail.com": "gmail", "googlemail.com": "gmail"}

    def test_domains_of_ones_own_are_folded(self) -> None:
        found = providers_by_domain({"acme": ProviderLimits(domains=("ACME.example", "@acme.test"))})
        assert found == {"acme.example": "acme", "acme.test": "acme"}

    def test_no_domain_is_of_two_companies(self) -> None:
        domains = [domain for provider in PROVIDERS.values() for domain in provider]
        assert len(domains) == len(set(domains))
        assert all(domain == domain.lower() for domain in domains)

    def test_an_unknown_one_without_domains_is_an_error(self) -> None:
        with pytest.raises(ConfigurationError, match="has no domains"):
            providers_by_domain({"acme": ProviderLimits(per_second=1)})

    def test_a_domain_of_two_is_an_error(self) -> None:
        both = {"gmail": ProviderLimits(), "acme": ProviderLimits(domains=("gmail.com",))}
        with pytest.raises(ConfigurationError, match=r"gmail\.com is in"):
            providers_by_domain(both)
