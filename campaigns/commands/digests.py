"""Commands of recurring digests: create, list, run, delete, resolve."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from campaigns.commands.completion import complete_topic, complete_version
from campaigns.commands.options import Duration
from campaigns.digest_catalogue import Digest, Tick, all_digests, cadence_of, last_tick
from campaigns.digests import Digests, Plan
from campaigns.file_language import locale_in_name, refuse_other_language
from campaigns.notes import announced
from campaigns.timing.cron import Cadence
from mailer.commands import CommandContext, json_option
from subscribers.topic import parse_topic
from templates.language import LOCALES

name_argument = click.argument("name")


@click.group()
def digests() -> None:
    """Manage digests of a changelog: create, list, run, delete, resolve.

    \b
    Example:
      mailer digests create monthly --changelog CHANGELOG.md --every "0 9 1 * *"
      mailer digests list
    """


@digests.command()
@name_argument
@click.option(
    "--changelog",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The changelog, where every host that runs run-due finds it.",
)
@click.option(
    "--every",
    required=True,
    metavar="CRON",
    help='When: five fields of cron, such as "0 9 1 * *" (the 1st, 9:00).',
)
@click.option("--tz", "zone", metavar="ZONE", help="IANA zone of those times; by default the settings'.")
@click.option(
    "--since",
    metavar="VERSION",
    shell_complete=complete_version,
    help="The last version announced so far; by default the newest there is.",
)
@click.option(
    "--max-lateness",
    type=Duration(),
    help="How late it may still run, such as 90m, 6h or 2d; by default the settings'.",
)
@click.option(
    "--topic",
    metavar="TOPIC",
    shell_complete=complete_topic,
    help="Which consent it needs; by default the settings' topic.",
)
@click.option(
    "--locale",
    type=click.Choice(LOCALES),
    help="The language; by default what the file's name or the settings say.",
)
@click.option("--base-url", metavar="URL", help="The web address that relative links start from.")
@json_option
@click.pass_obj
def create(
    context: CommandContext,
    name: str,
    changelog: Path,
    every: str,
    zone: str | None,
    since: str | None,
    max_lateness: timedelta | None,
    topic: str | None,
    locale: str | None,
    base_url: str | None,
    as_json: bool,
) -> None:
    """Create a recurring campaign of a changelog's new versions.

    `mailer run-due` creates and sends it when it is due. Without new versions it sends nothing. If the
    settings require approval, the campaign stays a draft until it is approved.

    \b
    Example:
      mailer digests create monthly --changelog CHANGELOG.md --every "0 9 1 * *" --tz Europe/Amsterdam
    """
    settings = context.settings
    if locale is None:
        refuse_other_language(changelog.name)
    plan = Plan(
        name=name,
        changelog=changelog,
        cadence=Cadence.parse(every, zone or settings.zone, context.now()),
        topic=parse_topic(topic or settings.topic, where="--topic"),
        locale=locale or locale_in_name(changelog.name) or settings.locale,  # type: ignore[arg-type]  # click has checked it
        base_url=base_url,
        max_lateness=max_lateness or settings.max_lateness,
        since=since,
    )
    made = Digests(context.database, settings, context.clock).create(plan)
    next_at = cadence_of(made).next(context.now())
    values = {"name": name, "every": made.cron, "zone": made.zone, "next_at": next_at}
    first = f"{next_at.astimezone(settings.tz):%Y-%m-%d %H:%M %Z}"
    context.report(values, f"{name}: comes first at {first}", as_json=as_json)


@digests.command("list")
@json_option
@click.pass_obj
def list_digests(context: CommandContext, as_json: bool) -> None:
    """List the digests with their next time and last result.

    \b
    Example:
      mailer digests list
    """
    with context.database.read() as connection:
        found = [(one, last_tick(connection, one.id)) for one in all_digests(connection)]
    rows = [_row(context, one, tick) for one, tick in found]
    lines = [
        f'{row["name"]}: "{row["every"]}" {row["zone"]}, '
        f"next {cadence_of(one).next(context.now()).astimezone(context.settings.tz):%Y-%m-%d %H:%M %Z}"
        + (f"\n  {row['skipped_because']}" if row["skipped_because"] else "")
        for row, (one, _) in zip(rows, found, strict=True)
    ]
    context.report({"digests": rows}, "\n".join(lines) or "There are no digests.", as_json=as_json)


def _row(context: CommandContext, one: Digest, tick: Tick) -> dict[str, object]:
    return {
        "name": one.name,
        "changelog": one.changelog,
        "every": one.cron,
        "zone": one.zone,
        "topic": one.topic,
        "next_at": cadence_of(one).next(context.now()),
        "last_at": tick.ran_at,
        "last_versions": announced(tick.versions.splitlines()),
        "skipped_because": tick.skipped_because,
    }


@digests.command()
@name_argument
@json_option
@click.pass_obj
def run(context: CommandContext, name: str, as_json: bool) -> None:
    """Run a digest now, for example after it was missed. `mailer run-due` then sends it.

    \b
    Example:
      mailer digests run monthly
    """
    ticked = Digests(context.database, context.settings, context.clock).run(name)
    values = {"name": name, "slug": ticked.slug, "versions": ticked.versions}
    context.report(values | {"waits_for_approval": ticked.waits_for_approval}, str(ticked), as_json=as_json)


@digests.command()
@name_argument
@json_option
@click.pass_obj
def delete(context: CommandContext, name: str, as_json: bool) -> None:
    """Delete a digest. The campaigns that it created stay.

    \b
    Example:
      mailer digests delete monthly
    """
    Digests(context.database, context.settings, context.clock).delete(name)
    context.report({"name": name, "deleted": True}, f"{name}: comes no more", as_json=as_json)


@digests.command()
@name_argument
@click.option("--resend", is_flag=True, help="Announce what is new since the backup.")
@click.option(
    "--assume-sent",
    is_flag=True,
    help="Take all that is in the changelog as announced.",
)
@json_option
@click.pass_obj
def resolve(context: CommandContext, name: str, resend: bool, assume_sent: bool, as_json: bool) -> None:
    """Decide about a digest of a restored database. It is held until then.

    The backup does not know which versions were announced after it.

    \b
    Example:
      mailer digests resolve monthly --assume-sent
    """
    if resend == assume_sent:
        raise click.UsageError("Say either --resend or --assume-sent.")
    was_held = Digests(context.database, context.settings, context.clock).resolve(name, resend=resend)
    text = f"{name}: {'decided' if was_held else 'it was not held; nothing was changed'}"
    context.report({"name": name, "resolved": was_held}, text, as_json=as_json)
