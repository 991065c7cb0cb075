"""Commands that set a campaign's due time: schedule, unschedule."""

from __future__ import annotations

from datetime import timedelta

import click

from campaigns.commands.options import (
    Duration,
    dispatch_of,
    report_status,
    slug_argument,
    window_option,
)
from campaigns.timing import parse_due_time
from mailer.commands import CommandContext, json_option


@click.command()
@slug_argument
@click.option("--at", "wall_time", required=True, metavar="TIME", help='Such as "2026-12-01 09:00".')
@click.option("--tz", "zone", metavar="ZONE", help="IANA zone of that time; by default the settings'.")
@click.option(
    "--max-lateness",
    type=Duration(),
    help="How late it may still start, such as 90m, 6h or 2d; by default the settings'.",
)
@window_option
@json_option
@click.pass_obj
def schedule(
    context: CommandContext,
    slug: str,
    wall_time: str,
    zone: str | None,
    max_lateness: timedelta | None,
    window: str | None,
    as_json: bool,
) -> None:
    """Schedule a campaign and freeze its content. `mailer run-due` sends it when it is due.

    Where run-due comes too late (see --max-lateness), the campaign is missed: nothing is sent until it gets a
    new time. Scheduling it again changes the time. A time that the clocks skip is moved forward by the same
    amount. Of a repeated time the first counts.

    \b
    Example:
      mailer campaigns schedule 2.4.0 --at "2026-12-01 09:00" --tz Europe/Amsterdam
      mailer campaigns schedule 2.4.0 --at "2026-12-01 09:00" --window "weekdays 08:00 to 18:00"
    """
    settings = context.settings
    due = parse_due_time(
        wall_time, zone or settings.zone, context.now(), max_lateness or settings.max_lateness
    )
    state = dispatch_of(context).schedule(slug, due, window)
    values = {
        "slug": slug,
        "state": state,
        "due_at": due.at,
        "zone": due.zone,
        "start_before": due.start_before,
    }
    context.report(values, f"{slug}: scheduled for {due}", as_json=as_json)


@click.command()
@slug_argument
@json_option
@click.pass_obj
def unschedule(context: CommandContext, slug: str, as_json: bool) -> None:
    """Remove a campaign's due time. Its content and its approval do not change.

    \b
    Example:
      mailer campaigns unschedule 2.4.0
    """
    dispatch_of(context).unschedule(slug)
    report_status(context, slug, as_json=as_json)
