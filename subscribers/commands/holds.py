"""mailer privacy hold: keep data that the law requires you to keep, until a date and for nothing else."""

from __future__ import annotations

from datetime import datetime

import click

from mailer.commands import CommandContext, json_option, write_table
from mailer.commands.acts import record_act
from mailer.errors import InvalidInput, NotFound
from mailer.quantity import quantity
from subscribers import former_people, rights
from subscribers.commands.free_text import parse_free_text
from subscribers.commands.options import address_of, email_argument, hasher_of, parse_time
from subscribers.rights import holds

LONGEST_GROUND = 500


@click.group()
def hold() -> None:
    """Keep data that the law requires you to keep: add, list, release.

    \b
    Example:
      mailer privacy hold list
    """


@hold.command()
@email_argument
@click.option("--ground", required=True, help="Which law or claim; the person is told. No email address.")
@click.option("--until", required=True, metavar="DATE", help="Until when; a date is the start of that day.")
@json_option
@click.pass_obj
def add(context: CommandContext, email: str, ground: str, until: str, as_json: bool) -> None:
    """Keep a person's data until a date.

    Neither an erasure nor the purge deletes them before. A hold does not allow mail. A person who asks for erasure
    meanwhile gets no more mail at once, is told of the hold, and is erased by the purge after it. The person sees the
    hold in their own data.

    \b
    Example:
      mailer privacy hold add jan@example.com --ground "claim 2026/117" --until 2027-06-01
    """
    address, ground = address_of(email), parse_free_text(ground, "--ground", LONGEST_GROUND)
    hasher, now = hasher_of(context), context.now()
    end = _end(context, until, now)
    with context.database.write() as connection:
        try:
            person = rights.find(connection, address, hasher)
        except NotFound:
            if not (former := former_people.find(connection, address, hasher)):
                raise
            person = former[0]
        number = holds.add(connection, person.id, ground, end, now)
        record_act(context, [person.id], connection=connection)
    text = f"Hold {number}: kept until {end.astimezone(context.settings.tz):%Y-%m-%d %H:%M %Z}."
    context.report({"id": number, "until": end}, text, as_json=as_json)


@hold.command("list")
@json_option
@click.pass_obj
def list_(context: CommandContext, as_json: bool) -> None:
    """List the holds, the next to end first.

    \b
    Example:
      mailer privacy hold list
    """
    zone = context.settings.tz
    with context.database.read() as connection:
        found = holds.every(connection)
    record_act(context, {each.subscriber_id for each, _ in found})
    if as_json:
        listed = [{"id": each.id, "email": email} | each.values() for each, email in found]
        context.report({"holds": listed}, "", as_json=True)
        return
    rows = (
        (
            str(each.id),
            email or "(fields deleted)",
            f"{each.until.astimezone(zone):%Y-%m-%d}",
            "asked" if each.erasure_requested_at else "",
            each.ground,
        )
        for each, email in found
    )
    number = write_table(("id", "email", "until", "erasure", "ground"), rows, widths=(5, 32, 10, 7, 0))
    click.echo(f"\n{quantity(number, 'hold')}")


@hold.command()
@click.argument("hold_id", metavar="ID", type=int)
@json_option
@click.pass_obj
def release(context: CommandContext, hold_id: int, as_json: bool) -> None:
    """End a hold before its date. A person who asked for erasure is erased by the next purge.

    \b
    Example:
      mailer privacy hold release 7
    """
    with context.database.write() as connection:
        released = holds.release(connection, hold_id, context.now())
        record_act(context, [released.subscriber_id], connection=connection)
    waits = released.erasure_requested_at is not None
    text = "Released." + (" The person asked for erasure: run `mailer privacy purge`." if waits else "")
    context.report({"id": hold_id, "released": True, "erasure_waits": waits}, text, as_json=as_json)


def _end(context: CommandContext, until: str, now: datetime) -> datetime:
    end = parse_time(context, until, "--until")
    if end <= now:
        raise InvalidInput("it lies in the past.", where="--until")
    return end
