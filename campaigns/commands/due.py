"""Send what is due: the whole look of `mailer run-due`, and `mailer worker`."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import click

from campaigns import notices
from campaigns.commands.daily_purge import purge_daily
from campaigns.commands.options import dispatch_of, preflight_of
from campaigns.commands.runs import exit_with, run_due_campaigns
from campaigns.commands.stop_signals import StopSignals, stop_signals
from campaigns.digests import DigestRun, Digests
from campaigns.reports.overview import overview
from campaigns.sending import Dispatch, RunResult
from campaigns.timing import Missed
from mailer.commands import CommandContext, processes_option
from mailer.config import KeySource, Settings, key_source
from mailer.database import Database, Kind, beat
from mailer.errors import DatabaseReplaced, MailerError, Refused, TryAgainLater, exhausted_limit
from mailer.webhooks import Reach
from subscribers import service_mails, webhooks
from subscribers.commands.anchoring import anchor_daily
from templates.brand import Brand

WORKER_BEAT_SECONDS = 60.0


def send_due(context: CommandContext, processes: int, *, as_json: bool) -> None:
    """Look for all that may be due, do it, and report it: `mailer run-due` where its quick look found something."""
    with stop_signals(context.settings.drain_seconds) as stop:
        _send_due(context, processes, stop, as_json=as_json)


def _send_due(context: CommandContext, processes: int, stop: StopSignals, *, as_json: bool) -> None:
    print_new = partial(_print_new, context)
    _beat(context, Kind.RUN_DUE)
    dispatch = dispatch_of(context, print_new)
    webhooks.call_due(*_webhook_parts(context))
    try:
        _send_service_mails(context)
        started = _start_due(context, dispatch, print_new)
        results = run_due_campaigns(context, dispatch, processes, stop)
    except Refused as error:
        if as_json:
            raise
        print_new(str(error))
        raise click.exceptions.Exit(error.exit_code) from None
    webhooks.call_due(*_webhook_parts(context))
    try:
        purge_daily(context, print_new)
    except MailerError as error:  # what was sent is reported all the same
        print_new(f"What has been kept for its period was not deleted: {error}")
    print_new(*_anchor_problems(context))
    # Cron starts a run each minute; that an earlier one is still at work is not worth a mail.
    own = [result for result in results if not result.by_another_run]
    if as_json:
        values = {
            "campaigns": [result.status._asdict() for result in results],
            "missed": [campaign.slug for campaign in started.missed],
            "refused": [str(refusal) for refusal in started.refused],
            "digests": [dataclasses.asdict(tick) for tick in started.digests],
        }
        context.report(values, "", as_json=True)
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


def _anchor_problems(context: CommandContext) -> list[str]:
    """Make the daily anchor; returns why there is none, which keeps no mail from being sent."""
    try:
        anchor_daily(context)
    except MailerError as error:
        return [f"{context.settings.folder}: no anchor of the ledger was made. {error}"]
    return []


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


def _beat(context: CommandContext, kind: Kind) -> None:
    with context.database.write() as connection:
        beat(connection, kind, context.now())


@click.command()
@click.option(
    "--every", type=click.FloatRange(0.1), default=5.0, show_default=True, help="Seconds between looks."
)
@processes_option
@click.pass_obj
def worker(context: CommandContext, every: float, processes: int) -> None:
    """Send what is due, until it is stopped.

    It takes the place of cron, on any number of hosts. The first SIGTERM or Ctrl-C, or closing the terminal,
    ends it after the mails in flight, at most the settings' drain_seconds later; the second ends it at once. It
    waits while the relay or the database is away, while the database is locked, full or read-only, and while the
    limit of processes is reached.

    \b
    Example:
      mailer worker
      mailer worker --processes 2 --every 1
    """
    _ = context.settings  # invalid settings end it here
    news = WorkerNews(
        partial(_print_line, context),
        lambda message: context.console.print(message, style="yellow", markup=False),
    )
    is_time_to_purge = False
    beaten = -WORKER_BEAT_SECONDS
    with (
        stop_signals(context.settings.drain_seconds) as stop,
        webhooks.calling(*_webhook_parts(context)),
        service_mails.sending(*_service_mail_parts(context)),
    ):
        while not stop.requested:
            try:
                if time.monotonic() - beaten >= WORKER_BEAT_SECONDS:
                    _beat(context, Kind.WORKER)
                    beaten = time.monotonic()
                    is_time_to_purge = True
                _work_once(context, processes, stop, news)
                if is_time_to_purge:
                    purge_daily(context, news.print_once)
                    for problem in _anchor_problems(context):
                        news.print_once(problem)
                    is_time_to_purge = False
                news.report_problem(None)
            except MailerError as error:
                news.report_problem(str(error))
                if isinstance(error, DatabaseReplaced):
                    context.database.close()  # the next look opens what is there now
            except (OSError, RuntimeError) as error:
                limit = exhausted_limit(error)
                if not isinstance(limit, TryAgainLater):
                    raise
                news.report_problem(str(limit))
            stop.wait(every)


def _print_line(context: CommandContext, line: str) -> None:
    """Print a line of a worker, where that is possible: it goes on sending where the disk of its log is full, too."""
    with suppress(OSError):
        context.report({}, line, as_json=False)


class WorkerNews:
    """What a worker prints: what it finds again at each look is printed once.

    `print_line` prints how a run ended, `warn` what a person should know.
    """

    def __init__(self, print_line: Callable[[str], None], warn: Callable[[str], None]) -> None:
        self._print_line, self._warn = print_line, warn
        self._printed: set[str] = set()
        self._results: dict[str, tuple[str, str | None]] = {}
        self._problem: str | None = None

    def print_once(self, message: str) -> None:
        """Print a warning that was not printed before."""
        if message not in self._printed:
            self._printed.add(message)
            self._warn(message)

    def report_problem(self, problem: str | None) -> None:
        """Print why there is no work, if the look before had another reason."""
        if problem and problem != self._problem:
            self._warn(problem)
        self._problem = problem

    def report_result(self, result: RunResult) -> None:
        """Print how a run ended, if the campaign's last one ended otherwise."""
        line = result.status.line()
        if self._results.get(result.status.slug) != (line, result.message):
            self._results[result.status.slug] = line, result.message
            self._print_line(line)
            if result.message:
                self._warn(result.message)


def _work_once(context: CommandContext, processes: int, stop: StopSignals, news: WorkerNews) -> None:
    # A new clock each time: over weeks, this host's would drift from the database's.
    clock, preflight = context.database.clock(), preflight_of(context, news.print_once)
    dispatch = Dispatch(context.database, context.settings, clock, preflight)
    _start_due(context, dispatch, news.print_once)
    for result in run_due_campaigns(context, dispatch, processes, stop):
        if not result.by_another_run:
            news.report_result(result)


def _webhook_parts(context: CommandContext) -> tuple[Database, KeySource, Reach]:
    allowed = context.settings.webhooks
    return (
        context.database,
        key_source(context.settings),
        Reach(allowed.allow_private, allowed.allow_http),
    )


def _service_mail_parts(context: CommandContext) -> tuple[Database, Settings, Callable[[], Brand], KeySource]:
    settings = context.settings

    def brand() -> Brand:
        from campaigns.rendering import brand_of  # noqa: PLC0415 - slow to import, and mostly no mail waits

        return brand_of(settings)

    return context.database, settings, brand, key_source(settings)


def _send_service_mails(context: CommandContext) -> None:
    """Send the service mails that are due; those that wait for the relay are sent by a later run."""
    if (problem := service_mails.send_due(*_service_mail_parts(context))) is not None:
        _print_new(context, f"Service mails wait: {problem}")


@dataclass(frozen=True, slots=True)
class _Started:
    """What became of the schedules and digests that were due, beside the campaigns that started."""

    digests: Sequence[DigestRun]
    missed: Sequence[Missed]
    refused: Sequence[Refused]

    @property
    def exit_code(self) -> int:
        failed = self.missed or self.refused or any(tick.problem for tick in self.digests)
        return Refused.exit_code if failed else 0


def _start_due(context: CommandContext, dispatch: Dispatch, say: Callable[[str], None]) -> _Started:
    """Start what is due, and print what was missed or waits; only the run that recorded it prints it.

    `say` gets warnings, refusals and problems: what each run finds again until a person acts.
    """
    dispatch.continuity.require()
    ticks = Digests(context.database, context.settings, context.clock).run_due()
    refused: list[Refused] = []
    missed = dispatch.start_due(refused.append)
    for item in (*(tick for tick in ticks if tick.slug and not tick.problem), *missed):
        context.console.print(str(item), style="yellow", markup=False)
    for message in (*(tick for tick in ticks if tick.problem), *refused):
        say(str(message))
    return _Started(ticks, missed, refused)
