"""Commands of sending: approve, schedule, send, pause, resume, cancel, run-due, worker."""

from __future__ import annotations

import dataclasses
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import click

from campaigns import catalogue, deliveries, reports
from campaigns.commands.options import Duration, campaigns, dispatch_of, report_status, run, slug_argument
from campaigns.deliveries import workers
from campaigns.digests import Digests, Ticked
from campaigns.lifecycle import Act
from campaigns.notes import load_notes
from campaigns.sending import Dispatch, RunResult, Tally, ending, joined_by
from campaigns.timing import Missed, parse_due_time
from mailer.commands import CommandContext, json_option
from mailer.errors import MailerError, Refused, TryAgainLater

processes_option = click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="How many send side by side.",
)

window_option = click.option(
    "--window",
    metavar="HOURS",
    help='When its mails may go out, such as "weekdays 08:00 to 18:00"; by default as the settings say.',
)


@campaigns.command()
@slug_argument
@json_option
@click.pass_obj
def approve(context: CommandContext, slug: str, as_json: bool) -> None:
    """Approve a campaign and freeze its content. The content can't be changed afterwards.

    \b
    Example:
      mailer campaigns approve 2.4.0
    """
    dispatch_of(context).approve(slug)
    report_status(context, slug, as_json=as_json)


@campaigns.command()
@slug_argument
@click.option("--at", "wall_time", required=True, metavar="TIME", help='Such as "2026-12-01 09:00".')
@click.option("--tz", "zone", metavar="ZONE", help="IANA zone of that time; by default the settings'.")
@click.option(
    "--max-lateness",
    type=Duration(),
    help="Do not begin later than this after it, such as 90m, 6h or 2d; by default the settings'.",
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
    new time. Times that the clocks skip come as much later; of a time that comes twice, the first counts.

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


@campaigns.command()
@slug_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@processes_option
@window_option
@json_option
@click.pass_obj
def send(
    context: CommandContext, slug: str, yes: bool, processes: int, window: str | None, as_json: bool
) -> None:
    """Send a campaign now, or continue one that was interrupted.

    Exit code 0: done (deferred mails wait for `mailer run-due`); 3: done, but some were rejected or are
    uncertain; 75: relay or database away, run it again later.

    \b
    Example:
      mailer campaigns send 2.4.0
      mailer campaigns send 2.4.0 --yes --json
      mailer campaigns send 2.4.0 --processes 2
    """
    if not yes:
        _ask(context, slug)
    dispatch = dispatch_of(context)
    dispatch.start(slug, window)
    tally = _send(context, dispatch, slug, processes)
    end = _ending(context, dispatch, slug, tally)
    context.report(dataclasses.asdict(end.status), end.status.line(), as_json=as_json)
    _leave(context, [end])


def _act_command(act: Act, help_text: str) -> None:
    @campaigns.command(act.value, help=help_text)
    @slug_argument
    @json_option
    @click.pass_obj
    def command(context: CommandContext, slug: str, as_json: bool) -> None:
        dispatch_of(context).act(slug, act)
        report_status(context, slug, as_json=as_json)


_act_command(
    Act.PAUSE,
    """Pause a campaign on all hosts. Mails in flight are completed.

    \b
    Example:
      mailer campaigns pause 2.4.0
    """,
)
_act_command(
    Act.RESUME,
    """Resume a paused campaign. `mailer run-due` or `mailer campaigns send` sends the rest.

    \b
    Example:
      mailer campaigns resume 2.4.0
    """,
)
_act_command(
    Act.CANCEL,
    """Cancel a campaign for good. What was not offered to a relay is never sent.

    \b
    Example:
      mailer campaigns cancel 2.4.0
    """,
)


@click.command("run-due")
@processes_option
@json_option
@click.pass_obj
def run_due(context: CommandContext, processes: int, as_json: bool) -> None:
    """Send what is due and stop; for cron.

    Makes the digests and starts the scheduled campaigns whose time has come, tries deferred mails again and
    goes on where a dead run stopped. Several at once share the work. Silent when there is nothing to do; what
    was missed, or waits for approval, is said once.

    \b
    Example:
      * * * * *  cd /srv/mailer && mailer run-due
    """
    dispatch = dispatch_of(context)
    begun = _start_due(context, dispatch)
    endings = _send_due(context, dispatch, processes)
    if as_json:
        values = {
            "campaigns": [dataclasses.asdict(one.status) for one in endings],
            "missed": [one.slug for one in begun.missed],
            "digests": [dataclasses.asdict(one) for one in begun.digests],
        }
        context.report(values, "", as_json=True)
    else:
        for one in endings:
            context.report({}, one.status.line(), as_json=False)
    _leave(context, endings, begun.exit_code)


@click.command()
@click.option(
    "--every", type=click.FloatRange(0.1), default=5.0, show_default=True, help="Seconds between looks."
)
@processes_option
@click.pass_obj
def worker(context: CommandContext, every: float, processes: int) -> None:
    """Send what is due, until it is stopped.

    In place of cron, on as many hosts as there are. SIGTERM lets the mails in the air land, for up to the
    settings' drain_seconds, and then ends it; a second one ends it at once. It waits while relay or database
    is away, and bears a database that is locked, full or read-only.

    \b
    Example:
      mailer worker
      mailer worker --processes 2 --every 1
    """
    _ = context.settings  # invalid settings end the command here
    said = complaint = None
    with _told_to_stop() as stopped:
        while not stopped.is_set():
            try:
                _look(context, processes)
                complaint = None
            except MailerError as error:
                complaint = str(error)
            if complaint and complaint != said:
                context.console.print(complaint, style="yellow", markup=False)
            said = complaint
            stopped.wait(every)


def _look(context: CommandContext, processes: int) -> None:
    # The clock anew each time: over weeks, this host's would drift from the database's.
    dispatch = Dispatch(context.database, context.settings, context.database.clock())
    _start_due(context, dispatch)
    for one in _send_due(context, dispatch, processes):
        context.report({}, one.status.line(), as_json=False)
        if one.message:
            context.console.print(one.message, style="yellow", markup=False)


@dataclass(frozen=True, slots=True)
class _Begun:
    """What a look at the schedules brought, beside campaigns that began."""

    digests: Sequence[Ticked]
    missed: Sequence[Missed]

    @property
    def exit_code(self) -> int:
        return Refused.exit_code if self.missed or any(one.problem for one in self.digests) else 0


def _start_due(context: CommandContext, dispatch: Dispatch) -> _Begun:
    """Start what is due, and say what was missed or waits; each is said once, by the run that wrote it down."""
    ticked = Digests(context.database, context.settings, context.clock).run_due()
    begun = _Begun(ticked, dispatch.start_due())
    for one in (*(one for one in begun.digests if one.slug or one.problem), *begun.missed):
        context.console.print(str(one), style="yellow", markup=False)
    return begun


def _send_due(context: CommandContext, dispatch: Dispatch, processes: int) -> list[RunResult]:
    return [
        _ending(context, dispatch, slug, _tried(context, dispatch, slug, processes))
        for slug in dispatch.due()
    ]


def _tried(context: CommandContext, dispatch: Dispatch, slug: str, processes: int) -> Tally:
    """Send one campaign of several: what is wrong with it alone holds up none of the others."""
    try:
        return _send(context, dispatch, slug, processes)
    except TryAgainLater:
        raise
    except MailerError as error:
        return Tally(error=error)


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set. While mails go out, the run's own handlers stand in their place."""
    stopped = threading.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: stopped.set()) for number in numbers]
    try:
        yield stopped
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _ending(context: CommandContext, dispatch: Dispatch, slug: str, tally: Tally) -> RunResult:
    with context.database.read() as connection:
        record = catalogue.find(connection, slug)
        found = reports.campaign_status(connection, record)
        elsewhere = workers.any_at_work(connection, context.now())
    opens_at = dispatch.opens_at(record)
    zone = context.settings.tz
    return ending(
        found,
        tally,
        at_work_elsewhere=elsewhere,
        closed_until=opens_at.astimezone(zone) if opens_at > context.now() else None,
        limited_until=tally.limited_until.astimezone(zone) if tally.limited_until else None,
    )


def _leave(context: CommandContext, endings: Sequence[RunResult], least: int = 0) -> None:
    """Say what there is to say, and end with the code of the worst ending."""
    for one in endings:
        if one.message:
            context.console.print(one.message, style="yellow", markup=False)
    if code := max((least, *(one.exit_code for one in endings))):
        sys.exit(code)


def _send(context: CommandContext, dispatch: Dispatch, slug: str, processes: int) -> Tally:
    from campaigns.commands.progress import progress  # noqa: PLC0415 - slow to import, and mostly nothing is due

    with context.database.read() as connection:
        record = catalogue.find(connection, slug)
        due = deliveries.count_claimable(connection, record.id or 0)
    with joined_by(processes - 1, slug, context.config):
        drain = context.settings.drain_seconds
        return run(dispatch.run(slug, lambda sender: progress(sender, context.console, slug, due, drain)))


def _ask(context: CommandContext, slug: str) -> None:
    """Show what is about to happen and ask; no answer is a no."""
    with context.database.read() as connection:
        record = catalogue.find(connection, slug)
        found = reports.campaign_status(connection, record)
    context.console.print(f"Subject:  {record.subject or load_notes(record.notes).title}", markup=False)
    context.console.print(f"Audience: {found.audience:,} who agreed to {record.topic}", markup=False)
    for relay in context.settings.every_relay.values():
        context.console.print(f"Relay:    {relay.host}:{relay.port} ({relay.security})", markup=False)
    catalogue.check(record, Act.SEND, approval_required=context.settings.require_approval)
    try:
        if click.confirm(f"Send {slug} now?", err=True):
            return
    except click.Abort:
        click.echo(err=True)
    raise Refused("Nothing was sent.", hint="In a script, say --yes.")
