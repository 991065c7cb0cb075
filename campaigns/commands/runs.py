"""Run a campaign from a command, with progress bar, signals and further processes, and report the result."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from campaigns import catalogue, deliveries, reports
from campaigns.commands.options import run
from campaigns.commands.progress import progress
from campaigns.commands.stop_signals import StopSignals
from campaigns.deliveries import workers
from campaigns.sending import Dispatch, RunResult, Tally, joined_by, judge_run
from mailer.commands import CommandContext
from mailer.errors import MailerError, TryAgainLater


def run_campaign(
    context: CommandContext,
    dispatch: Dispatch,
    slug: str,
    processes: int,
    stop: StopSignals,
    *,
    after_start: bool = False,
) -> Tally:
    """Send the due deliveries of a campaign; `after_start`: it has just been started."""
    with context.database.read() as connection:
        campaign = catalogue.find(connection, slug)
        due = deliveries.count_claimable(connection, campaign.id)
    with joined_by(processes - 1, slug, context.config, stop.calling):
        watch = partial(progress, context=context, label=slug, total=due, stop=stop)
        return run(dispatch.runs.run(slug, watch, after_start=after_start))


def run_due_campaigns(
    context: CommandContext, dispatch: Dispatch, processes: int, stop: StopSignals
) -> list[RunResult]:
    """Send the due deliveries of all campaigns. After a signal no other campaign is started."""
    return [
        judge(
            context,
            dispatch,
            slug,
            Tally() if stop.requested else _try(context, dispatch, slug, processes, stop),
        )
        for slug in dispatch.due()
    ]


def _try(context: CommandContext, dispatch: Dispatch, slug: str, processes: int, stop: StopSignals) -> Tally:
    """Run one campaign of several. An error that concerns this campaign only does not stop the others."""
    try:
        return run_campaign(context, dispatch, slug, processes, stop)
    except TryAgainLater:
        raise
    except MailerError as error:
        return Tally(error=error)


def judge(context: CommandContext, dispatch: Dispatch, slug: str, tally: Tally) -> RunResult:
    """Read the campaign's counts after a run, and judge the run.

    What a process that died meanwhile leaves is counted as what it is: nobody sends it, and its attempts are uncertain.
    """
    with suppress(MailerError):  # where nothing can be written, the run says so
        dispatch.runs.finish(slug)
    with context.database.read() as connection:
        campaign = catalogue.find(connection, slug)
        status = reports.campaign_status(connection, campaign)
        at_work_elsewhere = workers.is_at_work_on(
            connection, campaign.id, context.now(), besides=workers.Process.current()
        )
    opens_at = dispatch.runs.opens_at(campaign)
    zone = context.settings.tz
    return judge_run(
        status,
        tally,
        at_work_elsewhere=at_work_elsewhere,
        closed_until=opens_at.astimezone(zone) if opens_at > context.now() else None,
        limited_until=tally.limited_until.astimezone(zone) if tally.limited_until else None,
    )


def exit_with(context: CommandContext, results: Sequence[RunResult], lowest: int = 0) -> None:
    """Print the runs' messages, and exit with the highest of their codes, `lowest` at least."""
    for result in results:
        if result.message:
            context.console.print(result.message, style="yellow", markup=False)
    if code := max((lowest, *(result.exit_code for result in results))):
        sys.exit(code)
