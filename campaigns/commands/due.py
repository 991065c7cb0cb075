"""The whole look of `mailer run-due`: send what is due, and report it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

import click

from campaigns import notices
from campaigns.commands.daily_purge import purge_daily
from campaigns.commands.due_steps import (
    Started,
    anchor_problems,
    record_beat,
    service_mail_parts,
    start_due,
    webhook_parts,
)
from campaigns.commands.options import dispatch_of
from campaigns.commands.runs import exit_with, run_due_campaigns
from campaigns.commands.stop_signals import StopSignals, stop_signals
from campaigns.reports.overview import overview
from campaigns.sending import RunResult
from mailer.commands import CommandContext
from mailer.database import ProcessKind
from mailer.errors import MailerError, Refused
from subscribers import service_mails, webhooks


def send_due(context: CommandContext, processes: int, *, as_json: bool) -> None:
    """Look for all that may be due, do it, and report it: `mailer run-due` where its quick look found something."""
    with stop_signals(context.settings.drain_seconds) as stop:
        _send_due(context, processes, stop, as_json=as_json)


def _send_due(context: CommandContext, processes: int, stop: StopSignals, *, as_json: bool) -> None:
    print_new = partial(_print_new, context)
    record_beat(context, ProcessKind.RUN_DUE)
    dispatch = dispatch_of(context, print_new)
    webhooks.call_due(*webhook_parts(context))
    try:
        _send_service_mails(context)
        started = start_due(context, dispatch, print_new)
        results = run_due_campaigns(context, dispatch, processes, stop)
    except Refused as error:
        if as_json:
            raise
        print_new(str(error))
        raise click.exceptions.Exit(error.exit_code) from None
    webhooks.call_due(*webhook_parts(context))
    try:
        purge_daily(context, print_new)
    except MailerError as error:  # what was sent is reported all the same
        print_new(f"What has been kept for its period was not deleted: {error}")
    print_new(*anchor_problems(context))
    # Cron starts a run each minute; that an earlier one is still at work is not worth a mail.
    own = [result for result in results if not result.by_another_run]
    if as_json:
        context.report(_values(started, results), "", as_json=True)
    else:
        for result in own:
            context.report({}, result.status.line(), as_json=False)
    own = _without_known_outage(context, own)
    again = [result for result in own if not result.relay_away]
    print_new(*(result.message for result in again if result.message), *_attention(context, own))
    with context.database.write() as connection:
        notices.note_whole_look(connection, context.now())
    exit_with(
        context,
        [result._replace(message=None) if result in again else result for result in own],
        started.exit_code,
    )


def _values(started: Started, results: Sequence[RunResult]) -> dict[str, object]:
    """What --json reports."""
    return {
        "campaigns": [result.status._asdict() for result in results],
        "missed": [campaign.slug for campaign in started.missed],
        "refused": [str(refusal) for refusal in started.refused],
        "digests": [dataclasses.asdict(tick) for tick in started.digests],
    }


def _attention(context: CommandContext, own: Sequence[RunResult]) -> list[str]:
    """The problems that need a person, with folder, campaign and next command; without those that this run prints."""
    with context.database.read() as connection:
        found = overview(connection, context.now(), context.settings.tz)
    printed = {result.status.slug for result in own if result.message}
    return [
        f"{context.settings.folder}: {problem.message}\nNext: {problem.next_step}"
        for problem in found.problems
        if problem.slug is not None and problem.slug not in printed
    ]


def _print_new(context: CommandContext, *messages: str) -> None:
    """Print the messages that were not printed within the last hour."""
    if not messages:
        return
    with context.database.write() as connection:
        found = notices.select_new(connection, messages, context.now())
    for message in found:
        context.console.print(message, style="yellow", markup=False)


def _without_known_outage(context: CommandContext, results: Sequence[RunResult]) -> list[RunResult]:
    """Print once that the relay is not available, and once that it is available again."""
    is_away = any(result.relay_away for result in results)
    accepted = any(not result.relay_away and not result.message for result in results)
    if not is_away and not accepted:
        return list(results)
    with context.database.write() as connection:
        if is_away:
            is_news = notices.begin(connection, notices.RELAY_AWAY, context.now())
        else:
            is_news = notices.end(connection, notices.RELAY_AWAY)
    if not is_away and is_news:
        context.console.print("The relay is back.", style="yellow")
    return [
        result._replace(message=None) if result.relay_away and not is_news else result for result in results
    ]


def _send_service_mails(context: CommandContext) -> None:
    """Send the service mails that are due; those that wait for the relay are sent by a later run."""
    if (problem := service_mails.send_due(*service_mail_parts(context))) is not None:
        _print_new(context, f"Service mails wait: {problem}")
