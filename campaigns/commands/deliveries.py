"""Commands of single deliveries: list, resolve, skip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import click

from campaigns import catalogue, reports
from campaigns.commands.options import dispatch_of, slug_argument
from campaigns.states import DeliveryState
from mailer.commands import CommandContext, json_option, write_table
from mailer.commands.acts import recorded_act
from mailer.quantity import quantity


@click.group("deliveries")
def deliveries_group() -> None:
    """Manage single deliveries: list, resolve, skip.

    \b
    Example:
      mailer deliveries list 2.4.0 --state uncertain
    """


@deliveries_group.command("list")
@slug_argument
@click.option("--state", type=click.Choice([state.value for state in DeliveryState]), help="Only these.")
@json_option
@click.pass_obj
def list_deliveries(context: CommandContext, slug: str, state: str | None, as_json: bool) -> None:
    """List a campaign's deliveries with their outcomes.

    \b
    Example:
      mailer deliveries list 2.4.0
      mailer deliveries list 2.4.0 --state uncertain --json
    """
    wanted = DeliveryState(state) if state else None
    with context.database.read() as connection:
        campaign = catalogue.find(connection, slug)
    with recorded_act(context) as act, context.database.read() as connection:
        act.number = 0

        def listed() -> Iterator[Mapping[str, Any]]:
            for act.number, row in enumerate(reports.list_deliveries(connection, campaign.id, wanted), 1):
                yield row._asdict()

        if as_json:
            context.report({"slug": slug, "deliveries": list(listed())}, "", as_json=True)
            return
        number = write_table(_TITLES, (_cells(row, context.settings.tz) for row in listed()), widths=_WIDTHS)
    click.echo(f"\n{quantity(number, 'delivery', 'deliveries')}")


_TITLES = ("id", "email", "state", "attempts", "last", "due", "reply")
_WIDTHS = (7, 40, 10, 8, 24, 24, 0)


def _cells(row: Mapping[str, Any], zone: ZoneInfo) -> tuple[str, ...]:
    due = row["next_attempt_at"] if row["state"] is DeliveryState.DEFERRED else None
    times = [f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}" if at else "" for at in (row["attempted_at"], due)]
    reply = " ".join(str(part) for part in (row["reason"], row["smtp_phase"], row["diagnostic"]) if part)
    email = row["email"] or "(erased)"
    return (str(row["id"]), email, row["state"], str(row["attempts"]), *times, reply)


@deliveries_group.command()
@slug_argument
@click.option("--resend", is_flag=True, help="Send them again; some may get it twice.")
@click.option("--assume-sent", is_flag=True, help="Take them as accepted.")
@click.option("--id", "only", type=int, multiple=True, help="Only this delivery; can be given several times.")
@json_option
@click.pass_obj
def resolve(
    context: CommandContext, slug: str, resend: bool, assume_sent: bool, only: tuple[int, ...], as_json: bool
) -> None:
    """Decide about uncertain deliveries. The relay got their content, but its reply never came.

    The list has their numbers and what happened; the relay's own log, searched by recipient and time, tells
    whether a mail went out.

    In a restored database it decides about the whole campaign: all that was open then counts as sent, or is sent.

    \b
    Example:
      mailer deliveries list 2.4.0 --state uncertain
      mailer deliveries resolve 2.4.0 --resend --id 17 --id 42
      mailer deliveries resolve 2.4.0 --assume-sent
    """
    if resend == assume_sent:
        raise click.UsageError("Say either --resend or --assume-sent.")
    with recorded_act(context) as act:
        resolved = dispatch_of(context).resolve(slug, resend=resend, only=only)
        act.number = resolved
    with context.database.read() as connection:
        found = reports.campaign_status(connection, catalogue.find(connection, slug))
    values = {"resolved": resolved} | found._asdict()
    hint = f"\nNext: mailer campaigns send {slug}" if resend and resolved else ""
    context.report(values, f"{resolved:,} resolved; {found.line()}{hint}", as_json=as_json)


@deliveries_group.command()
@slug_argument
@click.option(
    "--id", "only", type=int, multiple=True, required=True, help="This delivery; can be given several times."
)
@json_option
@click.pass_obj
def skip(context: CommandContext, slug: str, only: tuple[int, ...], as_json: bool) -> None:
    """Give up single deliveries that are pending or deferred. They are not attempted again.

    The person stays on file, and gets the next campaign.

    \b
    Example:
      mailer deliveries list 2.4.0 --state pending
      mailer deliveries skip 2.4.0 --id 17
    """
    with recorded_act(context) as act:
        given_up = dispatch_of(context).skip(slug, only)
        act.number = given_up
    with context.database.read() as connection:
        found = reports.campaign_status(connection, catalogue.find(connection, slug))
    values = {"given_up": given_up} | found._asdict()
    context.report(values, f"{given_up:,} skipped; {found.line()}", as_json=as_json)
