"""Commands that send, pause, resume or cancel a campaign."""

from __future__ import annotations

import click

from campaigns import approvals, catalogue, reports, transitions
from campaigns.approvals import ApprovalRule
from campaigns.commands.options import (
    confirm_act,
    dispatch_of,
    report_status,
    slug_argument,
    window_option,
    yes_option,
)
from campaigns.commands.runs import exit_with, judge, run_campaign
from campaigns.commands.stop_signals import stop_signals
from campaigns.lifecycle import Act
from campaigns.stored_content import load_notes
from mailer.commands import CommandContext, busy, confirm, json_option, processes_option


@click.command()
@slug_argument
@yes_option
@processes_option
@window_option
@json_option
@click.pass_obj
def send(
    context: CommandContext, slug: str, yes: bool, processes: int, window: str | None, as_json: bool
) -> None:
    """Send a campaign now, or continue one that was interrupted.

    The first Ctrl-C or SIGTERM, or closing the terminal, ends it after the mails in flight; the second ends it
    at once. Exit code 0: done (deferred mails wait for `mailer run-due`); 3: done, but some were rejected or
    are uncertain; 75: the relay or the database is away, or it was stopped: run it again later.

    \b
    Example:
      mailer campaigns send 2.4.0
      mailer campaigns send 2.4.0 --yes --json
      mailer campaigns send 2.4.0 --processes 2
    """
    dispatch = dispatch_of(context)
    if not yes:
        _ask(context, slug)
    with busy(context, "Checking all consents"):
        dispatch.start(slug, window)
    with stop_signals(context.settings.drain_seconds) as stop:
        tally = run_campaign(context, dispatch, slug, processes, stop, after_start=True)
        result = judge(context, dispatch, slug, tally)
    context.report(result.status._asdict(), result.status.line(), as_json=as_json)
    if hint := result.status.where_to_look():
        context.console.print(hint, style="yellow", markup=False)
    exit_with(context, [result])


@click.command()
@slug_argument
@json_option
@click.pass_obj
def pause(context: CommandContext, slug: str, as_json: bool) -> None:
    """Pause a campaign on all hosts. Mails in flight are completed.

    \b
    Example:
      mailer campaigns pause 2.4.0
    """
    _do(context, slug, Act.PAUSE, as_json=as_json)


@click.command()
@slug_argument
@json_option
@click.pass_obj
def resume(context: CommandContext, slug: str, as_json: bool) -> None:
    """Resume a paused campaign. `mailer run-due` or `mailer campaigns send` sends the rest.

    \b
    Example:
      mailer campaigns resume 2.4.0
    """
    _do(
        context,
        slug,
        Act.RESUME,
        as_json=as_json,
        next_step=f"mailer campaigns send {slug}, or wait for mailer run-due",
    )


@click.command()
@slug_argument
@yes_option
@json_option
@click.pass_obj
def cancel(context: CommandContext, slug: str, yes: bool, as_json: bool) -> None:
    """Cancel a campaign for good. What was not offered to a relay is never sent.

    \b
    Example:
      mailer campaigns cancel 2.4.0
      mailer campaigns cancel 2.4.0 --yes
    """
    if not yes:
        confirm_act(context, slug, Act.CANCEL, f"Cancel {slug} for good?", "Nothing was cancelled.")
    _do(context, slug, Act.CANCEL, as_json=as_json)


def _do(context: CommandContext, slug: str, act: Act, *, as_json: bool, next_step: str = "") -> None:
    dispatch_of(context).act(slug, act)
    report_status(context, slug, as_json=as_json, next_step=next_step)


def _ask(context: CommandContext, slug: str) -> None:
    """Show what will be sent, and ask for confirmation."""
    with context.database.read() as connection:
        campaign = catalogue.find(connection, slug)
        status = reports.campaign_status(connection, campaign)
        approved = approvals.status(connection, campaign, ApprovalRule.of(context.settings))
    transitions.check(campaign, Act.SEND)
    approved.refuse_if_missing(slug)
    settings = context.settings
    relays = [
        f"{relay.host}:{relay.port} ({'unencrypted' if relay.security == 'none' else relay.security})"
        for relay in settings.every_relay.values()
    ]
    editions = load_notes(campaign.notes).editions
    is_one = len(editions) == 1
    lines = {"Subject" if is_one else f"Subject {one.locale}": one.title for one in editions} | {
        "From": settings.sender,
        "Reply-To": settings.reply_to or "none; replies go to From",
        "Unsubscribe": f"{settings.public_url}/u/",
        "Language": ", ".join(one.locale for one in editions),
        "Topic": campaign.topic,
        "Audience": f"{status.audience:,} who agreed to {campaign.topic}",
        "Relay": ", ".join(relays),
    }
    if approved.given:
        lines["Approved by"] = "; ".join(str(one.by) for one in approved.counted)
    for name, value in lines.items():
        context.console.print(f"{name + ':':<13}{value}", markup=False)
    confirm(f"Send {slug} now?", "Nothing was sent.")
