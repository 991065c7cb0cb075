"""Options and functions that several commands of campaigns share."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar

import click
import uvloop
from click.shell_completion import CompletionItem

from campaigns import approvals, catalogue, reports, transitions
from campaigns.approvals import ApprovalRule
from campaigns.deliveries import workers
from campaigns.lifecycle import Act
from campaigns.sending import Dispatch, Preflight
from campaigns.states import CampaignState
from mailer.commands import CommandContext, completion, confirm
from mailer.config import duration
from mailer.errors import MailerError
from mailer.lazy_group import LazyGroup

Value = TypeVar("Value")


def complete_slug(ctx: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """The slugs with this prefix, for the shell's completion; none if they can't be read."""
    with suppress(MailerError), completion.reading(completion.settings_of(ctx)) as connection:
        return [one.slug for one in catalogue.all_campaigns(connection) if one.slug.startswith(begun)]
    return []


def complete_slug_or_file(ctx: click.Context, param: click.Parameter, begun: str) -> list[CompletionItem]:
    """The slugs with this prefix, and the files: bash completes files where no slug fits, other shells both."""
    files = CompletionItem(begun, type="file")  # first: in bash it clears what came before it
    return [files, *map(CompletionItem, complete_slug(ctx, param, begun))]


slug_argument = click.argument("slug", shell_complete=complete_slug)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
window_option = click.option(
    "--window",
    metavar="HOURS",
    help='When its mails may go out, such as "weekdays 08:00 to 18:00"; by default as the settings say.',
)


class Duration(click.ParamType[timedelta]):
    """A length of time on the command line: 90m, 6h, 2d."""

    name = "duration"

    def convert(
        self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        try:
            return value if isinstance(value, timedelta) else duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


_PLACES = {
    "new": "campaigns.commands.new:new",
    "create": "campaigns.commands.drafts:create",
    "update": "campaigns.commands.drafts:update",
    "delete": "campaigns.commands.drafts:delete",
    "lint": "campaigns.commands.lint:lint",
    "preview": "campaigns.commands.review:preview",
    "proof": "campaigns.commands.review:proof",
    "approve": "campaigns.commands.review:approve",
    "schedule": "campaigns.commands.schedule:schedule",
    "unschedule": "campaigns.commands.schedule:unschedule",
    "send": "campaigns.commands.sending:send",
    "pause": "campaigns.commands.sending:pause",
    "resume": "campaigns.commands.sending:resume",
    "cancel": "campaigns.commands.sending:cancel",
    "list": "campaigns.commands.status:list_campaigns",
    "show": "campaigns.commands.status:show",
    "status": "campaigns.commands.status:status",
    "report": "campaigns.commands.report:report_campaign",
}


@click.group(cls=LazyGroup, places=_PLACES)
def campaigns() -> None:
    """Create, check, approve, schedule, send and follow campaigns.

    \b
    Example:
      mailer campaigns create notes.md
      mailer campaigns preview notes
      mailer campaigns send notes
    """


def report_status(context: CommandContext, slug: str, *, as_json: bool, next_step: str = "") -> None:
    """Report the state of a campaign. `next_step` tells people what to do."""
    from campaigns.reports.languages import count_by_language, language_line  # noqa: PLC0415 - sending needs neither

    with context.database.read() as connection:
        campaign = catalogue.find(connection, slug)
        found = reports.campaign_status(connection, campaign)
        approved = approvals.status(connection, campaign, ApprovalRule.of(context.settings))
        languages = count_by_language(connection, campaign, context.settings.locale)
    text = found.line()
    if languages:
        text += f"\n{language_line(languages, started=campaign.started_at is not None)}"
    if approved.missing:
        text += "".join(f"\napproved by: {one.by}" for one in reversed(approved.given))
        text += f"\nwaits for {approved.waits_for()}"
    if found.paused_because:
        text += f"\npaused because: {found.paused_because}"
    if found.state is CampaignState.MISSED:
        text += f'\nmissed its time; give it a new one: mailer campaigns schedule {slug} --at "..."'
    opens_at = dispatch_of(context).runs.opens_at(campaign)
    if found.state in {CampaignState.SCHEDULED, CampaignState.SENDING} and opens_at > context.now():
        text += f"\nsend window opens: {opens_at.astimezone(context.settings.tz):%Y-%m-%d %H:%M %Z}"
    if found.next_due_at and found.next_due_at > context.now():
        text += f"\nnext: {found.next_due_at.astimezone(context.settings.tz):%Y-%m-%d %H:%M %Z}"
    is_open = found.state is CampaignState.SENDING and opens_at <= context.now()
    if is_open and not next_step and _is_unattended(context, campaign.id, found):
        text += "\nno process is sending it now"
        next_step = f"mailer campaigns send {slug}, or wait for mailer run-due"
    if next_step:
        text += f"\nNext: {next_step}"
    values = found._asdict() | {"languages": [dataclasses.asdict(one) for one in languages]}
    context.report(values | approved.values(), text, as_json=as_json)


def _is_unattended(context: CommandContext, campaign_id: int, found: reports.CampaignStatus) -> bool:
    """Whether mails are due, or were in flight, and no process works on the campaign: it died, or the relay was away."""
    now = context.now()
    is_due = found.next_due_at <= now if found.next_due_at else found.pending + found.in_flight > 0
    with context.database.read() as connection:
        return is_due and not workers.is_at_work_on(connection, campaign_id, now)


def dispatch_of(context: CommandContext, warn: Callable[[str], None] | None = None) -> Dispatch:
    """The use cases of campaigns, with the checks of `preflight_of`."""
    return Dispatch(context.database, context.settings, context.clock, preflight_of(context, warn))


def preflight_of(context: CommandContext, warn: Callable[[str], None] | None = None) -> Preflight:
    """The checks before the first mail; `warn` gets their warnings, which by default go to stderr."""

    def print_warning(message: str) -> None:
        context.console.print(message, style="yellow", markup=False)

    return Preflight(context.database, context.settings, warn or print_warning)


def confirm_act(context: CommandContext, slug: str, act: Act, question: str, refusal: str) -> None:
    """Show where a campaign stands and ask whether to do `act`. Raises Refused, without a question where it
    can't be done.
    """
    with context.database.read() as connection:
        campaign = catalogue.find(connection, slug)
        status = reports.campaign_status(connection, campaign)
    transitions.check(campaign, act)
    context.console.print(status.line(), markup=False)
    confirm(question, refusal)


def run(work: Coroutine[Any, Any, Value]) -> Value:
    """Run `work` on a new event loop of uvloop, to its end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
