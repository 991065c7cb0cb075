"""mailer campaigns report: what became of a campaign, in the terminal, as a page, as CSV or as JSON."""

from __future__ import annotations

import csv
import io
import os
import shutil
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click

from campaigns import approvals, catalogue
from campaigns.approvals import ApprovalRule, ApprovalStatus
from campaigns.campaign import Campaign
from campaigns.commands.options import slug_argument
from campaigns.reports.charts.words import ReportWords
from campaigns.reports.domains import merge_smaller
from campaigns.reports.figures import CampaignFigures, read_figures
from campaigns.reports.languages import language_line
from campaigns.reports.replies import Reason
from campaigns.reports.text_charts import Bar, draw_bars
from mailer.commands import CommandContext, json_option
from mailer.errors import InvalidInput
from mailer.new_files import write_output
from mailer.output import write_line
from mailer.quantity import quantity
from subscribers.rights.spreadsheet import without_formula
from templates.language import LOCALES, Locale

_TIMES = ("created_at", "approved_at", "started_at", "finished_at")
_MOST_ROWS = 12  # of a chart in the terminal
_COLOURS = {
    "accepted": "green",
    "deferred": "yellow",
    "pending": "bright_black",
    "rejected": "red",
    "uncertain": "magenta",
    "withheld": "blue",
}


@click.command("report")
@slug_argument
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the report as a page: one file, which loads nothing.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print all figures as CSV.")
@click.option(
    "--locale", type=click.Choice(LOCALES), help="The language of the page; by default the settings'."
)
@json_option
@click.pass_obj
def report_campaign(
    context: CommandContext, slug: str, page: Path | None, as_csv: bool, locale: Locale | None, as_json: bool
) -> None:
    """Show what became of a campaign, and who left after it.

    It shows progress, outcomes, domains, languages, and why mails were not accepted.

    The figures come from the relay's answers and the consent ledger; no reader is tracked. No recipient is named, and
    domains with fewer than 5 recipients are counted together. --csv and --json have all figures.

    \b
    Example:
      mailer campaigns report 2.4.0
      mailer campaigns report 2.4.0 --html report.html
      mailer campaigns report 2.4.0 --csv > report.csv
    """
    if as_csv and (as_json or page):
        raise click.UsageError("--csv goes without --json and --html.")
    if locale and not page:
        raise click.UsageError("--locale goes with --html.")
    settings = context.settings
    with context.database.read() as connection:
        campaign = catalogue.find(connection, slug)
        figures = read_figures(connection, campaign, context.now(), default_locale=settings.locale)
        approved = approvals.status(connection, campaign, ApprovalRule.of(settings))
    if as_csv:
        write_line(_csv(figures))
        return
    values = figures.values() | {name: getattr(campaign, name) for name in _TIMES} | approved.values()
    values |= {"content_hash": campaign.content_hash}
    text = "\n".join(_lines(context, campaign, figures, approved))
    if page is not None:
        from campaigns.reports.page import (  # noqa: PLC0415 - Jinja2 is slow to import
            ReportedCampaign,
            render_report,
        )

        reported = ReportedCampaign(campaign, figures, approved, context.now())
        _write(page, render_report(reported, settings, locale or settings.locale))
        values |= {"html": page}
        text = str(page)
    context.report(values, text, as_json=as_json)


def _write(page: Path, html: str) -> None:
    try:
        write_output(page, html)
    except OSError as error:
        if not page.parent.exists():
            raise InvalidInput(
                f"there is no folder {page.parent}.", where="--html", hint="Make it first."
            ) from None
        raise InvalidInput(f"it can't be written: {error.strerror}.", where=str(page)) from None


def _csv(figures: CampaignFigures) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(("part", "item", "measure", "number"))
    for *cells, number in figures.rows():
        writer.writerow([*(without_formula(str(cell)) for cell in cells), number])
    return written.getvalue().rstrip("\n")


def _lines(
    context: CommandContext, campaign: Campaign, figures: CampaignFigures, approved: ApprovalStatus
) -> Iterator[str]:
    status = figures.status
    yield status.line()
    if figures.languages:
        yield language_line(figures.languages, started=campaign.started_at is not None)
    for name in _TIMES:
        if (at := getattr(campaign, name)) is not None:
            yield f"{name.removesuffix('_at')}: {_moment(context, at)}"
    for one in reversed(approved.given):
        yield f"approved by: {one.by}, at {_moment(context, one.approved_at)}"
    if approved.missing:
        yield f"waits for {approved.waits_for()}"
    if campaign.content_hash:
        yield f"content: sha256 {campaign.content_hash}"
    if campaign.started_at is not None:
        yield from _charts(context, figures)
    if figures.reasons:
        yield "\nwhy mails were not accepted"
        yield from map(_reason_line, figures.reasons)


def _charts(context: CommandContext, figures: CampaignFigures) -> Iterator[str]:
    audience = max(figures.status.audience, 1)
    words = ReportWords("en", context.settings.tz)
    outcomes = [
        Bar(name, number, f"{number:,} {number / audience:6.1%}")
        for name, number in figures.outcomes().items()
        if number
    ]
    yield "\noutcomes"
    for bar, line in zip(outcomes, _draw(outcomes), strict=True):
        yield coloured(line, _COLOURS.get(bar.label))
    if figures.progress is not None:
        yield "\naccepted over time"
        yield from _draw(_progress_bars(context, figures))
        for one in figures.progress.milestones:
            yield f"  {one.share:.0%} of them after {words.duration(one.seconds)}"
    if figures.domains:
        yield "\ndomains: accepted of recipients"
        shown = merge_smaller(figures.domains, _MOST_ROWS)
        yield from _draw(
            [
                Bar(
                    one.domain or f"({quantity(one.domains, 'other domain')})",
                    one.recipients,
                    f"{one.accepted:,} of {one.recipients:,}",
                )
                for one in shown
            ]
        )
        if len(shown) < len(figures.domains):
            yield "  --csv names more"
    if (left := figures.leavers) is not None and left.mailed:
        so_far = "" if left.is_complete else ", so far"
        yield f"\nleft within {len(left.days)} days after it: {left.total:,} of {left.mailed:,} ({left.total / left.mailed:.2%}{so_far})"
        if left.total:
            last = max(one.day for one in left.days if one.total)
            yield from _draw(
                [Bar(f"day {one.day}", one.total, f"{one.total:,}") for one in left.days[: last + 1]]
            )


def _progress_bars(context: CommandContext, figures: CampaignFigures) -> list[Bar]:
    """At most a dozen of the steps, the last among them."""
    assert figures.progress is not None  # noqa: S101 - asked before
    steps = figures.progress.steps
    every = -(-len(steps) // _MOST_ROWS)
    chosen = steps[::-1][::every][::-1]
    days = len({one.at.astimezone(context.settings.tz).date() for one in steps}) > 1
    form = "%d %b %H:%M" if days else "%H:%M:%S"
    return [
        Bar(f"{one.at.astimezone(context.settings.tz):{form}}", one.accepted, f"{one.accepted:,}")
        for one in chosen
    ]


def _draw(bars: list[Bar]) -> list[str]:
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    width = min(shutil.get_terminal_size().columns, 120)
    return draw_bars(bars, width, in_ascii=not encoding.startswith("utf"))


def coloured(line: str, colour: str | None) -> str:
    """The line in a colour, on a terminal that wants colours (https://no-color.org)."""
    in_colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return click.style(line, fg=colour) if in_colour and colour else line


def _moment(context: CommandContext, at: datetime) -> str:
    return f"{at.astimezone(context.settings.tz):%Y-%m-%d %H:%M:%S %Z}"


def _reason_line(one: Reason) -> str:
    """Such as "3 rejected (given_up) at rcpt: 450 4.2.0 later"."""
    because = f" ({one.reason})" if one.reason else ""
    phase = f" at {one.smtp_phase}" if one.smtp_phase else ""
    reply = f": {one.reply}" if one.reply else ""
    return f"  {one.deliveries:,} {one.state}{because}{phase}{reply}"
