"""mailer worker: send what is due, until it is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import click

from campaigns.commands.daily_purge import purge_daily
from campaigns.commands.due_steps import (
    anchor_problems,
    record_beat,
    service_mail_parts,
    start_due,
    webhook_parts,
)
from campaigns.commands.options import preflight_of
from campaigns.commands.runs import run_due_campaigns
from campaigns.commands.stop_signals import StopSignals, stop_signals
from campaigns.sending import Dispatch, RunResult
from mailer.commands import CommandContext, processes_option
from mailer.database import ProcessKind
from mailer.errors import DatabaseReplaced, MailerError, TryAgainLater, exhausted_limit
from subscribers import service_mails, webhooks

WORKER_BEAT_SECONDS = 60.0


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
        webhooks.calling(*webhook_parts(context)),
        service_mails.sending(*service_mail_parts(context)),
    ):
        while not stop.requested:
            with _reporting_problems(context, news):
                if time.monotonic() - beaten >= WORKER_BEAT_SECONDS:
                    record_beat(context, ProcessKind.WORKER)
                    beaten = time.monotonic()
                    is_time_to_purge = True
                _work_once(context, processes, stop, news)
                if is_time_to_purge:
                    _do_daily_work(context, news)
                    is_time_to_purge = False
            stop.wait(every)


def _work_once(context: CommandContext, processes: int, stop: StopSignals, news: WorkerNews) -> None:
    # A new clock each time: over weeks, this host's would drift from the database's.
    clock, preflight = context.database.clock(), preflight_of(context, news.print_once)
    dispatch = Dispatch(context.database, context.settings, clock, preflight)
    start_due(context, dispatch, news.print_once)
    for result in run_due_campaigns(context, dispatch, processes, stop):
        if not result.by_another_run:
            news.report_result(result)


def _do_daily_work(context: CommandContext, news: WorkerNews) -> None:
    purge_daily(context, news.print_once)
    for problem in anchor_problems(context):
        news.print_once(problem)


@contextmanager
def _reporting_problems(context: CommandContext, news: WorkerNews) -> Iterator[None]:
    """A look at what is due. What ends it is reported, and the next look tries again."""
    try:
        yield
    except MailerError as error:
        news.report_problem(str(error))
        if isinstance(error, DatabaseReplaced):
            context.database.close()  # the next look opens what is there now
    except (OSError, RuntimeError) as error:
        limit = exhausted_limit(error)
        if not isinstance(limit, TryAgainLater):
            raise
        news.report_problem(str(limit))
    else:
        news.report_problem(None)


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
