"""The outcome of each mail, and the people who get each language, as bars."""

from __future__ import annotations

from collections.abc import Sequence

from campaigns.reports.charts.words import ReportWords
from campaigns.reports.figures import CampaignFigures
from campaigns.reports.languages import LanguageCount
from templates.charts import BarChart, Row, Table, share_parts
from templates.report_page import Figure


def outcomes_figure(figures: CampaignFigures, words: ReportWords) -> Figure:
    """One bar with a part for each outcome."""
    audience = figures.status.audience
    found = [(name, number) for name, number in figures.outcomes().items() if number]
    said = [f"{words.outcome(name)} {words.number(number)}" for name, number in found]
    parts = [(name, number, text) for (name, number), text in zip(found, said, strict=True)]
    return Figure(
        name="outcomes",
        heading=words.text("outcomes"),
        lead=words.text("outcomes_lead"),
        description=words.text("outcomes_desc", parts=", ".join(said)),
        chart=BarChart((Row("", "", share_parts(parts, audience)),)),
        table=Table(
            (words.text("outcome"), words.text("mails"), words.text("share")),
            tuple(
                (words.outcome(name), words.number(number), words.share(number, audience))
                for name, number in found
            ),
            tuple(name for name, _ in found),
        ),
    )


def languages_figure(languages: Sequence[LanguageCount], words: ReportWords) -> Figure:
    """A bar for each language."""
    most = max(1, *(one.audience for one in languages))
    rows, table, said = [], [], []
    for one in languages:
        name, audience = words.text(f"language_{one.locale}"), words.number(one.audience)
        rest = one.audience - one.accepted
        parts = [
            ("accepted", one.accepted, f"{words.text('accepted')}: {words.number(one.accepted)}"),
            ("pending", rest, f"{words.text('otherwise')}: {words.number(rest)}"),
        ]
        rows.append(Row(name, audience, share_parts(parts, one.audience, one.audience / most * 100)))
        table.append((name, audience, words.number(one.accepted)))
        said.append(f"{name} {audience}")
    return Figure(
        name="languages",
        heading=words.text("languages"),
        lead=words.text("languages_lead"),
        description=words.text("languages_desc", parts=", ".join(said)),
        chart=BarChart(tuple(rows)),
        table=Table(tuple(words.text(one) for one in ("language", "recipients", "accepted")), tuple(table)),
        legend=(("accepted", words.text("accepted")), ("pending", words.text("otherwise"))),
    )
