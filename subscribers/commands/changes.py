"""mailer consent changes: the change feed on the command line."""

from __future__ import annotations

import click

from mailer.commands import CommandContext, json_option
from mailer.commands.acts import record_act
from mailer.database import installation_id
from subscribers import changes as feed
from subscribers.commands.options import number_of_change
from subscribers.public_ids import PublicIds


@click.command("changes")
@click.option(
    "--after", metavar="CURSOR", help="Only what came after this cursor, which an earlier call gave."
)
@click.option(
    "--limit",
    type=click.IntRange(1, feed.MOST_AT_ONCE),
    default=100,
    show_default=True,
    help="How many at most.",
)
@json_option
@click.pass_obj
def changes(context: CommandContext, after: str | None, limit: int, as_json: bool) -> None:
    """List the changes to consents, through every channel, in order.

    The last line is the cursor for the next call. `GET /api/v1/changes` tells the same.

    \b
    Example:
      mailer consent changes --limit 20
    """
    with context.database.read() as connection:
        public_ids = PublicIds(installation_id(connection))
        number = number_of_change(public_ids, after) if after is not None else 0
        found = feed.read(connection, number, limit)
    record_act(context, {each.subscriber_id for each in found.changes if each.email is not None})
    values = [feed.values_of(each, public_ids) for each in found.changes]
    cursor = public_ids.of_change(found.next)
    lines = [
        f"{each.at.astimezone(context.settings.tz):%Y-%m-%d %H:%M %Z}  {each.kind.value:<9}  {each.topic}  "
        f"{each.email or '-'}  {each.channel.value}"
        for each in found.changes
    ]
    lines.append(f"next: {cursor}{' (there are more)' if found.more else ''}")
    context.report({"changes": values, "next": cursor, "more": found.more}, "\n".join(lines), as_json=as_json)
