"""The figures of a report: progress, domains, who left, replies without personal data, and how charts show them."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.commands.report import coloured
from campaigns.reports.charts import ReportWords
from campaigns.reports.charts.progress import progress_figure
from campaigns.reports.domains import MIN_RECIPIENTS, DomainDeliveries, merge_smaller, pool
from campaigns.reports.leavers import DAYS, Leaving, count_by_day
from campaigns.reports.progress import MOST_STEPS, Ended, measure, step_length
from campaigns.reports.replies import Reply, count_reasons, without_personal_data
from campaigns.reports.text_charts import Bar, draw_bars
from campaigns.states import DeliveryState
from mailer.smtp.outcome import MASK
from subscribers.kinds import Channel
from templates.charts import AreaChart, Tick

START = datetime(2026, 12, 1, 8, tzinfo=UTC)
ENDED = st.lists(
    st.tuples(st.floats(0, 400_000), st.booleans(), st.integers(1, 50)).map(
        lambda one: Ended(START + timedelta(seconds=one[0]), one[1], one[2])
    ),
    min_size=1,
    max_size=30,
).map(sorted)


@settings(max_examples=40)
@given(ENDED)
def test_progress_grows_to_the_number_of_deliveries_in_few_steps(ended: list[Ended]) -> None:
    accepted = sum(one.number for one in ended if one.accepted)
    found = measure(iter(ended), START, ended[-1].at, accepted)
    assert (found.steps[-1].accepted, found.steps[-1].otherwise) == (
        accepted,
        sum(one.number for one in ended if not one.accepted),
    )
    assert found.steps[-1].at == ended[-1].at
    assert len(found.steps) <= MOST_STEPS + 2
    assert list(found.steps) == sorted(found.steps, key=lambda one: (one.at, one.accepted, one.otherwise))
    for one in found.milestones:
        reached = sum(each.number for each in ended if each.accepted and each.at <= one.at)
        assert reached >= one.share * accepted
    assert [one.share for one in found.milestones] == ([0.5, 0.9, 0.99, 1.0] if accepted else [])


@pytest.mark.parametrize(
    ("period", "length"),
    [
        (timedelta(0), 1),
        (timedelta(seconds=61), 2),
        (timedelta(hours=1), 60),
        (timedelta(days=70), 2 * 86400),
    ],
)
def test_a_step_has_a_round_length(period: timedelta, length: int) -> None:
    assert step_length(period) == timedelta(seconds=length)


DOMAINS = st.lists(
    st.builds(
        DomainDeliveries,
        st.sampled_from([None, "a.example", "b.example", "c.example", "d.example"]),
        st.sampled_from(DeliveryState),
        st.integers(1, 6),
    ),
    max_size=12,
)


@settings(max_examples=40)
@given(DOMAINS)
def test_a_domain_with_few_recipients_is_not_named_and_nobody_is_lost(found: list[DomainDeliveries]) -> None:
    counts = pool(found)
    assert all(one.recipients >= MIN_RECIPIENTS for one in counts if one.domain)
    assert sum(one.recipients for one in counts) == sum(one.number for one in found)
    assert all(one.recipients == one.accepted + one.rejected + one.open + one.otherwise for one in counts)
    merged = merge_smaller(counts, 2)
    assert len(merged) <= 2
    assert sum(one.recipients for one in merged) == sum(one.number for one in found)


def test_people_leave_on_a_day_and_through_a_channel() -> None:
    def leaving(hours: float, channel: Channel) -> Leaving:
        return Leaving(START, START + timedelta(hours=hours), channel)

    days = count_by_day(
        [
            leaving(1, Channel.ONE_CLICK),
            leaving(23.9, Channel.PAGE),
            leaving(24, Channel.ONE_CLICK),
            leaving(-0.1, Channel.API),
        ]
    )
    assert len(days) == DAYS
    assert [(one.one_click, one.page, one.otherwise) for one in days[:3]] == [(1, 1, 1), (1, 0, 0), (0, 0, 0)]


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        ("550 5.1.1 <zoe.devries@example.com>: User unknown", "550 5.1.1 <***>: User unknown"),
        ("550 5.1.1 zoe.devries: no such user", "550 5.1.1 ***: no such user"),
        ("550 No mailbox for Zoë De Vries here", "550 No mailbox for *** *** here"),
        ("452 4.2.2 quota of devries (12 MB)", "452 4.2.2 quota of *** (12 MB)"),
        (
            "550 5.7.1 see https://mail.example/?p=NoSuchUser&u=zoe a640c23a62f3a-aa1",
            "550 5.7.1 see https://mail.example/ ***",
        ),
        ("421 4.7.0 other@third.example, try later", "421 4.7.0 ***, try later"),
    ],
)
def test_a_reply_loses_what_it_says_about_the_recipient(reply: str, shown: str) -> None:
    fields = ("zoe.devries@example.com", "Zoë", "de Vries")
    assert without_personal_data(reply, fields) == shown


LOCAL = st.from_regex(r"[a-z][a-z0-9]{2,12}([._+-][a-z0-9]{2,8})?", fullmatch=True)


@settings(max_examples=50)
@given(
    LOCAL,
    st.sampled_from(["550 5.1.1 <{}> unknown", "550 {}: unknown", "450 4.2.0 box of {} full"]),
    st.booleans(),
)
def test_no_address_remains_in_a_reply(local: str, form: str, whole: bool) -> None:
    reply = form.format(f"{local}@example.com" if whole else local)
    shown = without_personal_data(reply, (f"{local}@example.com", "", ""))
    assert MASK in shown
    assert local not in shown.split()
    assert "@" not in shown


def test_replies_that_differ_in_the_recipient_alone_are_one_reason() -> None:
    replies = [
        Reply(DeliveryState.REJECTED, "rcpt", None, f"550 5.1.1 <p{number}@example.com> unknown", (None,) * 3)
        for number in range(3)
    ]
    (reason,) = count_reasons(replies)
    assert (reason.reply, reason.deliveries) == ("550 5.1.1 <***> unknown", 3)


BARS = st.lists(
    st.builds(
        Bar,
        st.text(st.characters(codec="ascii", min_codepoint=32), max_size=60),
        st.integers(0, 10**6),
        st.just("12,345 of 9"),
    ),
    max_size=8,
)


@settings(max_examples=50)
@given(BARS, st.integers(30, 200), st.booleans())
def test_bars_are_as_wide_as_the_terminal(bars: list[Bar], width: int, in_ascii: bool) -> None:
    lines = draw_bars(bars, width, in_ascii=in_ascii)
    assert len(lines) == len(bars)
    assert all(len(line) <= width for line in lines)
    assert not in_ascii or all(line.isascii() for line in lines)


def test_the_longest_bar_reaches_the_edge_and_a_small_number_is_seen() -> None:
    longest, small, nothing = draw_bars([Bar("a", 10_000, "10,000"), Bar("b", 1, "1"), Bar("c", 0, "0")], 60)
    assert len(longest) == 60
    assert small.endswith("▏")
    assert nothing.endswith("0")


@pytest.mark.parametrize(
    ("is_terminal", "no_color", "is_coloured"), [(True, "", True), (True, "1", False), (False, "", False)]
)
def test_only_a_terminal_that_wants_colours_gets_them(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, no_color: str, is_coloured: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert ("\x1b[32m" in coloured("accepted", "green")) is is_coloured


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "< 1 s"),
        (9, "9 s"),
        (60, "1 min"),
        (259, "4 min 19 s"),
        (2099, "35 min"),
        (3 * 3600 + 299, "3 h 5 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float, text: str) -> None:
    assert ReportWords("en", ZoneInfo("UTC")).duration(seconds) == text


def test_a_period_within_one_minute_is_one_moment() -> None:
    words, start = ReportWords("en", ZoneInfo("UTC")), datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
    assert words.period(start, start + timedelta(seconds=59)) == "28 November 2026 09:30"
    assert words.period(start, start + timedelta(minutes=1)) == "28 November 2026 09:30–09:31"


def ticks_of(ended: list[Ended]) -> tuple[Tick, ...]:
    found = measure(iter(ended), START, ended[-1].at, sum(one.number for one in ended if one.accepted))
    chart = progress_figure(found, ReportWords("en", ZoneInfo("Europe/Amsterdam"))).chart
    assert isinstance(chart, AreaChart)
    return chart.x_ticks


def test_the_times_below_the_chart_of_progress_are_round() -> None:
    ticks = ticks_of([Ended(START + timedelta(minutes=minutes), True, 5) for minutes in (1, 30, 46)])
    assert [tick.label for tick in ticks] == ["09:00", "09:10", "09:20", "09:30", "09:40"]


@settings(max_examples=40)
@given(ENDED.filter(lambda ended: any(one.accepted for one in ended)))
def test_the_times_below_the_chart_of_progress_are_few_and_none_comes_twice(ended: list[Ended]) -> None:
    ticks = ticks_of(ended)
    assert 1 <= len(ticks) <= 5
    assert len({tick.label for tick in ticks}) == len(ticks)
    assert all(0 <= tick.place <= 100 for tick in ticks)
