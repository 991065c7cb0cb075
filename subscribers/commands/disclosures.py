"""mailer privacy log and disclose: what was done with personal data, by whom, and to whom they were given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict

import click

from mailer import operator_log
from mailer.commands import CommandContext, json_option, write_table
from mailer.commands.acts import record_act
from mailer.operator_log import Disclosure, OperatorAct
from mailer.quantity import quantity
from subscribers import rights
from subscribers.commands import reporting
from subscribers.commands.free_text import parse_free_text
from subscribers.commands.options import email_argument, look_up_unrecorded, parse_time
from subscribers.intake import FORMS

LONGEST_RECIPIENT = 200
LONGEST_GROUND = 500


@click.command("log")
@click.option("--since", metavar="TIME", help=f"Only acts from then on. {FORMS}.")
@click.option("--until", metavar="TIME", help="Only acts before then.")
@json_option
@click.pass_obj
def show_log(context: CommandContext, since: str | None, until: str | None, as_json: bool) -> None:
    """Show who read or changed personal data.

    A line has the time, the login on that machine, the command, the number of people, and their ids where there were
    at most ten. The number is missing where the command was broken off. Lines hold no address. The settings say how
    long they are kept: operator_log and disclosures in [retention].

    \b
    Example:
      mailer privacy log --since 2026-11-01
    """
    zone = context.settings.tz
    bounds = {
        name: None if written is None else parse_time(context, written, f"--{name}")
        for name, written in (("since", since), ("until", until))
    }
    with (
        context.database.read() as connection,
        closing(operator_log.read(connection, **bounds)) as acts,
    ):
        if as_json:
            context.report({"acts": [asdict(act) for act in acts]}, "", as_json=True)
            return
        rows: Iterator[tuple[str, ...]] = (
            (f"{act.at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}", act.login, act.command, *_details(act))
            for act in acts
        )
        number = write_table(("at", "login", "command", "people", "details"), rows, widths=(24, 12, 22, 8, 0))
    click.echo(f"\n{quantity(number, 'act')}")


@click.command()
@email_argument
@click.option("--to", "recipient", required=True, help="Who gets it, such as a court; no email address.")
@click.option("--ground", required=True, help="On what ground, such as the order's number.")
@json_option
@click.pass_obj
def disclose(context: CommandContext, email: str, recipient: str, ground: str, as_json: bool) -> None:
    """Print a person's data for somebody outside.

    It records to whom and on what ground; the record is kept five years (disclosures in [retention]), and the person
    sees it in their own data.

    \b
    Example:
      mailer privacy disclose jan@example.com --to "Court of Utrecht" --ground "order 2026/117" > jan.json
    """
    disclosure = Disclosure(
        parse_free_text(recipient, "--to", LONGEST_RECIPIENT),
        parse_free_text(ground, "--ground", LONGEST_GROUND),
    )
    record = look_up_unrecorded(context, email)
    record_act(context, [record.person.id], disclosure=disclosure)
    values = rights.export_values(record)
    context.report(values, reporting.as_json(values), as_json=as_json)


def _details(act: OperatorAct) -> tuple[str, str]:
    people = "?" if act.people is None else f"{act.people:,}"
    details = [f"ids {', '.join(map(str, act.subscriber_ids))}"] if act.subscriber_ids else []
    if act.disclosed_to is not None:
        details.append(f"to {act.disclosed_to}; ground: {act.ground}")
    return people, "; ".join(details)
