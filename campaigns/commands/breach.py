"""mailer privacy breach: the documents of a data breach. It joins the group of the layer below."""

from __future__ import annotations

from pathlib import Path

import click

from campaigns import deliveries
from mailer.commands import CommandContext, json_option
from mailer.commands.acts import recorded_act
from mailer.errors import InvalidInput
from mailer.new_files import new_folder
from mailer.quantity import quantity
from subscribers.commands.options import parse_time
from subscribers.commands.privacy import privacy
from subscribers.intake import FORMS
from subscribers.rights import breach as breaches
from subscribers.rights.breach import Category, Incident, Mailed, Scope
from subscribers.rights.breach_documents import PEOPLE_NAME, Breach, write_documents, write_people


@privacy.command()
@click.option("--since", metavar="TIME", help=f"From when data could be read: {FORMS}.")
@click.option("--until", metavar="TIME", help="Until when; now by default.")
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in Scope]),
    default=Scope.DATABASE.value,
    show_default=True,
    help="What could be read: the database, mail on its way, the pages and the API, or a file.",
)
@click.option(
    "--noticed", metavar="TIME", help="When it was noticed, from which the periods run; now by default."
)
@click.option(
    "--output",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The new folder that gets the documents; with --send, the one that has them.",
)
@click.option(
    "--send", "approved_by", metavar="NAME", help="Send the letters in DIR; NAME is who approved them."
)
@click.option("--yes", is_flag=True, help="Do not ask before letters are sent.")
@json_option
@click.pass_obj
def breach(
    context: CommandContext,
    since: str | None,
    until: str | None,
    scope: str,
    noticed: str | None,
    output: Path,
    approved_by: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Write the documents of a data breach (articles 33, 34).

    They say whose data were concerned, which and how many, by when to tell whom. The new folder gets controllers.txt,
    the report to the controllers in the settings; authority.txt, the fields of the notification to the authority;
    letter.en.txt and letter.nl.txt; people.csv, the people concerned, with language and greeting; and facts.json.
    What only you know stands in [square brackets] in them. The letters are written and not sent: fill them in, then
    send them with --send. The folder holds personal data: delete it when it is no longer needed.

    Everyone on file is concerned where the database or a file, such as a backup, could be read; of mail the
    recipients of the period; of the pages and the API those whose consent came or ended through them.

    --send sends the letters in DIR to the people in its people.csv, each at most once, and records it with the name of
    who approved them. Run it again to go on after an interruption, and for letters that were put off. A person who
    was erased meanwhile is left out.

    \b
    Example:
      mailer privacy breach --since "2026-11-27 18:00" --until "2026-11-28 09:30" --output breach
      mailer privacy breach --send "Robin Smit" --output breach
    """
    if approved_by is not None:
        from campaigns.commands.breach_letters import send_letters  # noqa: PLC0415 - sending is slow to import

        send_letters(context, output, approved_by, yes=yes, as_json=as_json)
        return
    if since is None:
        raise click.UsageError("Say from when data could be read: --since. Or --send the letters.")
    now = context.now()
    incident = Incident(
        Scope(scope),
        parse_time(context, since, "--since", now),
        now if until is None else parse_time(context, until, "--until", now),
        now if noticed is None else parse_time(context, noticed, "--noticed", now),
    )
    if incident.since >= incident.until:
        raise InvalidInput("it is not before --until.", where="--since")
    with recorded_act(context) as act, new_folder(output) as folder:
        found = _assess(context, incident, folder)
        names = write_documents(folder, found, context.settings)
        act.number = found.people
    values = found.values(context.settings) | {
        "folder": output,
        "files": [PEOPLE_NAME, *names],
        "letters_sent": False,
    }
    context.report(values, _summary(context, found, output), as_json=as_json)


def _assess(context: CommandContext, incident: Incident, folder: Path) -> Breach:
    """Find what the breach concerns, and write who is concerned."""
    settings, is_relay = context.settings, incident.scope is Scope.RELAY
    with context.database.read() as connection:
        mailed = Mailed(
            deliveries.mailed_between(incident.since, incident.until),
            deliveries.count_mails(connection, incident.since if is_relay else None, incident.until),
        )
        people = breaches.concerned_people(connection, incident, mailed)
        by_language = write_people(folder, people, settings.locale, settings.form_of_address)
        total = by_language.total()
        return Breach(
            incident,
            total,
            dict(by_language.most_common()),
            breaches.count_gone(connection, incident, mailed),
            breaches.count_records(connection, incident, mailed, total),
        )


def _summary(context: CommandContext, found: Breach, output: Path) -> str:
    settings, incident = context.settings, found.incident
    languages = ", ".join(f"{language} {number:,}" for language, number in found.by_language.items())
    lines = [
        f"{quantity(found.people, 'person', 'people')} on file"
        + (f" ({languages})" if languages else "")
        + f"; {found.gone:,} no longer on file.",
        *(f"  {number:>12,}  {_label(category)}" for category, number in found.records.items()),
        "",
    ]
    told = ", ".join(controller.name for controller in settings.privacy.controllers)
    moments = {
        f"Tell the controllers ({told or 'none are in the settings: [[privacy.controllers]]'})": (
            incident.tell_controllers_by(settings.privacy)
        ),
        f"Notify {settings.privacy.authority}": incident.notify_authority_by(settings.privacy),
    }
    lines += [
        f"{act} by {moment.astimezone(settings.tz):%Y-%m-%d %H:%M %Z}." for act, moment in moments.items()
    ]
    lines.append(
        f"{output} has the documents. The letters are written and not sent: fill in what stands in [brackets], then --send."
    )
    return "\n".join(lines)


def _label(category: Category) -> str:
    return "opt-outs" if category is Category.OPT_OUTS else category.value.replace("_", " ")
