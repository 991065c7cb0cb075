"""mailer status: all problems that need attention, on one screen."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo

import click

from campaigns.approvals import ApprovalRule
from campaigns.reports.overview import Overview, ProblemSeverity, overview
from mailer.commands import CommandContext, json_option
from mailer.quantity import quantity

EXIT_CODES = {ProblemSeverity.WARNING: 3, ProblemSeverity.FAILURE: 1}


@click.command("status")
@json_option
@click.pass_obj
def status_of_all(context: CommandContext, as_json: bool) -> None:
    """Show what is at work, what is being sent, and what needs attention.

    For monitoring, the exit code is that of the worst: 0 all is well, 3 something for a person to judge, 1
    something that breaks a promise until somebody acts. Each line names the command to run.

    \b
    Example:
      mailer status
    """
    with context.database.read() as connection:
        found = overview(connection, context.now(), context.settings.tz, ApprovalRule.of(context.settings))
    worst = max((EXIT_CODES[problem.severity] for problem in found.problems), default=0, key=[0, 3, 1].index)
    values = {
        "healthy": not found.problems,
        "heartbeats": [one._asdict() for one in found.heartbeats],
        "campaigns": [one._asdict() for one in found.campaigns],
        "problems": [dataclasses.asdict(one) for one in found.problems],
    }
    context.report(values, "\n".join(_lines(found, context.now(), context.settings.tz)), as_json=as_json)
    if worst:
        sys.exit(worst)


def _lines(found: Overview, now: datetime, zone: tzinfo) -> Iterator[str]:
    for one in found.heartbeats:
        yield f"{one.kind}: {_ago(now - one.at)} ago on {one.host}"
    if not found.heartbeats:
        yield "Nothing has run yet."
    for status in found.campaigns:
        begins = f" for {at.astimezone(zone):%Y-%m-%d %H:%M %Z}" if (at := status.planned_at) else ""
        yield f"{status.slug}: {status.state}{begins}, {status.counts()}"
    for problem in found.problems:
        yield f"{problem.severity}: {problem.message}"
        yield from (f"  next: {step.strip()}" for step in problem.next_step.splitlines())
    if not found.problems:
        yield "Nothing needs attention."


def _ago(elapsed: timedelta) -> str:
    seconds = max(int(elapsed.total_seconds()), 0)
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return quantity(seconds, "second")
