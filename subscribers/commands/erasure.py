"""mailer subscribers erase: erase a person, or tell until when a hold keeps their data."""

from __future__ import annotations

from collections.abc import Sequence

import click

from mailer.commands import CommandContext, confirm, json_option
from mailer.commands.acts import record_leaving
from subscribers import people, rights
from subscribers.commands.options import (
    address_of,
    dating_suppression,
    email_argument,
    hasher_of,
)
from subscribers.commands.people import report_left
from subscribers.ledger import parse_note
from subscribers.rights.holds import Hold


@click.command()
@email_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--source",
    default="mailer command",
    help="Through what the person asked; kept only until a hold on the data ends.",
)
@json_option
@click.pass_obj
def erase(context: CommandContext, email: str, yes: bool, source: str, as_json: bool) -> None:
    """Erase a person (article 17). A keyed hash of the address remains, so that no import adds them again.

    Where a hold stands (`mailer privacy hold`), the person gets no more mail at once, and is erased when it ends.

    \b
    Example:
      mailer subscribers erase jan@example.com --yes --source "asked by email"
    """
    address = address_of(email)
    if not yes:
        confirm("Erase this person? It can't be undone.", "Nobody was erased.")
    with dating_suppression(context, address), context.database.write() as connection:
        former = people.find(connection, address)
        held = rights.erase(
            connection, address, hasher=hasher_of(context), source=parse_note(source), now=context.now()
        )
        if former is not None:
            record_leaving(context, connection, [former.id])
    if held:
        _report_held(context, held, as_json=as_json)
        return
    left = rights.erase_on_disk(context.database, *([former] if former else []))
    report_left(context, left)
    text = "Erased. Only a keyed hash of the address is left."
    context.report({"erased": True, "left": left, "holds": []}, text, as_json=as_json)


def _report_held(context: CommandContext, held: Sequence[Hold], *, as_json: bool) -> None:
    """Tell the person through the operator that the data are kept, until when and why."""
    zone = context.settings.tz
    lines = [f"  until {hold.until.astimezone(zone):%Y-%m-%d %H:%M %Z}: {hold.ground}" for hold in held]
    text = "\n".join(
        ["Not erased yet: the law makes us keep the data. No more mail goes out from now on.", *lines]
    )
    text += "\nThe purge after that erases them. Tell the person."
    holds = [hold.values() for hold in held]
    context.report({"erased": False, "left": [], "holds": holds}, text, as_json=as_json)
