"""The recipients' domains, as bars."""

from __future__ import annotations

from collections.abc import Sequence

from campaigns.reports.charts.words import ReportWords
from campaigns.reports.domains import DomainCount, merge_smaller
from templates.charts import BarChart, Row, Table, share_parts
from templates.report_page import Figure

MOST_DOMAINS = 12
_LONGEST_LABEL = 22  # characters of a domain that fit beside the number above its bar on a phone
_HEAD = ("domain", "recipients", "accepted", "rejected")


def domains_figure(domains: Sequence[DomainCount], words: ReportWords) -> Figure:
    """A bar for each of the largest domains, and one for all others. The folded table has all that are named."""
    shown = merge_smaller(domains, MOST_DOMAINS)
    most = max(one.recipients for one in shown)
    rows = [
        Row(
            _label(_name(one, words)),
            words.share(one.accepted, one.recipients),
            share_parts(_numbers(one, words), one.recipients, one.recipients / most * 100),
        )
        for one in shown
    ]
    kinds = {kind for one in shown for kind, number, _ in _numbers(one, words) if number}
    names = (
        ("accepted", "accepted"),
        ("rejected", "rejected"),
        ("deferred", "open"),
        ("pending", "otherwise"),
    )
    largest = max(shown, key=lambda one: one.recipients)
    head = tuple(words.text(name) for name in _HEAD)
    is_merged = len(shown) < len(domains)
    return Figure(
        name="domains",
        heading=words.text("domains"),
        lead=words.text("domains_lead"),
        description=words.text(
            "domains_desc",
            domain=_name(largest, words),
            accepted=words.number(largest.accepted),
            recipients=words.number(largest.recipients),
        ),
        chart=BarChart(tuple(rows)),
        table=Table(head, _cells(shown, words)),
        more=Table(head, _cells(domains, words)) if is_merged else None,
        more_label=words.text("all_domains") if is_merged else "",
        legend=tuple((kind, words.text(name)) for kind, name in names if kind in kinds),
    )


def _numbers(one: DomainCount, words: ReportWords) -> list[tuple[str, int, str]]:
    """Kind, number and text of each part of a domain's bar."""
    numbers = (
        ("accepted", "accepted", one.accepted),
        ("rejected", "rejected", one.rejected),
        ("deferred", "open", one.open),
        ("pending", "left_otherwise", one.otherwise),
    )
    return [
        (kind, number, f"{_name(one, words)}: {words.text(name)} {words.number(number)}")
        for kind, name, number in numbers
    ]


def _cells(domains: Sequence[DomainCount], words: ReportWords) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            _name(one, words),
            *(words.number(number) for number in (one.recipients, one.accepted, one.rejected)),
        )
        for one in domains
    )


def _name(one: DomainCount, words: ReportWords) -> str:
    if one.domain is not None:
        return one.domain
    if not one.domains:
        return words.text("no_domain")
    name = "other_domain" if one.domains == 1 else "other_domains"
    return words.text(name, number=words.number(one.domains))


def _label(name: str) -> str:
    """The name as the chart shows it; the table has all of it."""
    return name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 1]}…"
