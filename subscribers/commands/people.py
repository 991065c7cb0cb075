"""Commands about people on file: import, list, show, rectify, export. `erase` is in `erasure`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import click

from mailer.commands import CommandContext, json_option, write_table
from mailer.commands.acts import record_act, recorded_act
from mailer.errors import InvalidInput
from mailer.lazy_group import LazyGroup
from mailer.operator_log import PeopleConcerned
from mailer.quantity import quantity
from subscribers import people, rights
from subscribers.commands import reporting
from subscribers.commands.confirmation import confirm_many
from subscribers.commands.files import opened_people
from subscribers.commands.options import (
    address_of,
    email_argument,
    encoding_option,
    evidence_of,
    hasher_of,
    language_option,
    look_up,
    refusals_option,
    source_option,
    topic_option,
    topic_or_default,
    version_option,
    wording_option,
)
from subscribers.intake import encoding_name
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import parse_note
from subscribers.people import parse_name
from subscribers.rights import Correction

STATES = (ConsentKind.GRANTED, ConsentKind.WITHDRAWN, ConsentKind.OBJECTED, ConsentKind.REQUESTED)

SUPPRESSED = "suppressed"  # gets no mail, although consents are granted


_PLACES = {
    "erase": "subscribers.commands.erasure:erase",
    "sync": "subscribers.commands.sync:sync",
    "suppress": "subscribers.commands.suppression:suppress",
    "lift": "subscribers.commands.suppression:lift",
}


@click.group(cls=LazyGroup, places=_PLACES)
def subscribers() -> None:
    """Manage subscribers: import, sync, list, show, rectify, erase, export.

    \b
    Example:
      mailer subscribers import people.csv --source "fair, May 2026" --wording wording.txt
    """


@subscribers.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--source", required=True, help="Through what the consent was given; goes into the ledger.")
@wording_option
@topic_option
@language_option
@version_option
@refusals_option
@encoding_option
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option("--yes", is_flag=True, help="Do not ask, also where the file withdraws many consents.")
@json_option
@click.pass_obj
def import_(
    context: CommandContext,
    file: Path,
    source: str,
    wording: Path,
    topic: str | None,
    language: str,
    wording_version: str,
    refusals: Path | None,
    encoding: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Import the people of a CSV file who consented.

    The columns are salutation, first_name, surname, email, opted_in and opted_in_at, or in Dutch aanhef,
    voornaam, tussenvoegsel, achternaam, e-mailadres, toestemming and toestemming_op; other columns are
    ignored. Cells are separated by comma, semicolon or tab; the encoding is UTF-8, UTF-16 or Windows-1252. A
    row that says no withdraws the consent of a person on file, unless it is dated before that consent; a no
    of other people is not stored. Invalid rows are listed by number in the refusals file, valid rows are
    imported. A person who withdrew is not added again, except by a later consent. Refused rows do not make
    the command fail.

    A file that would withdraw the consent of more than 20 people, and of more than 5 % of those who agreed,
    is applied only after a question, or with --yes.

    \b
    Example:
      mailer subscribers import people.csv --source "sign-up form" --wording wording.txt
    """
    evidence = evidence_of(context, topic, source, wording, language, wording_version, Channel.IMPORT)
    began = time.monotonic()
    with opened_people(context, file, encoding, refusals=refusals, wording=wording) as opened:
        job = replace(
            opened.import_job(context, evidence, dry_run=dry_run),
            confirm=lambda withdrawn, agreed: _confirm(context, withdrawn, agreed, yes=yes),
        )
        with recorded_act(context) if not dry_run else nullcontext(PeopleConcerned()) as act:
            report = job.run(opened.text, opened.name)
            act.number = report.granted + report.withdrawn
        encoded = encoding_name(opened.text)
    values = asdict(report) | {
        "encoding": encoded,
        "refusals_file": opened.refusals.path if report.refused else None,
        "dry_run": dry_run,
        "seconds": round(time.monotonic() - began, 2),
    }
    context.report(
        values, reporting.of_import(report, opened.refusals, encoded, dry_run=dry_run), as_json=as_json
    )


@subscribers.command("list")
@topic_option
@click.option(
    "--state", type=click.Choice([*(each.value for each in STATES), SUPPRESSED]), help="Only these."
)
@json_option
@click.pass_obj
def list_(context: CommandContext, topic: str | None, state: str | None, as_json: bool) -> None:
    """List the subscribers with their consent to a topic.

    \b
    Example:
      mailer subscribers list --state withdrawn
    """
    about = topic_or_default(context, topic)
    suppressed = state == SUPPRESSED
    wanted = ConsentKind(state) if state and not suppressed else None
    with (
        recorded_act(context) as act,
        context.database.read() as connection,
        closing(rights.list_people(connection, about, wanted, suppressed=suppressed)) as found,
    ):
        if as_json:
            rows = [reporting.listed_values(each) for each in found]
            act.number = len(rows)
            context.report({"topic": about, "subscribers": rows}, "", as_json=True)
            return
        act.number = 0

        def listed() -> Iterator[Sequence[str]]:
            for act.number, each in enumerate(found, 1):
                yield reporting.listed_cells(each, context.settings.tz)

        write_table(("email", "name", "state", "since"), listed(), widths=(32, 24, 9, 10))
    click.echo(f"\n{quantity(act.number, 'subscriber')}")


@subscribers.command()
@email_argument
@json_option
@click.pass_obj
def show(context: CommandContext, email: str, as_json: bool) -> None:
    """Show a person's data (article 15).

    \b
    Example:
      mailer subscribers show jan@example.com
    """
    record = look_up(context, email)
    text = reporting.of_record(record, context.settings.tz)
    context.report(rights.export_values(record), text, as_json=as_json)


@subscribers.command()
@email_argument
@click.option("--salutation", help="The new salutation; empty takes it away.")
@click.option("--first-name", help="The new first name.")
@click.option("--surname", help="The new surname.")
@click.option("--email", "new_email", metavar="EMAIL", help="The new address; the consent goes along.")
@source_option
@json_option
@click.pass_obj
def rectify(
    context: CommandContext,
    email: str,
    salutation: str | None,
    first_name: str | None,
    surname: str | None,
    new_email: str | None,
    source: str,
    as_json: bool,
) -> None:
    """Correct a person's data (article 16). The ledger records which fields changed, not their values.

    \b
    Example:
      mailer subscribers rectify jan@example.com --surname "De Vries" --source "asked by phone"
    """
    correction = Correction(
        _name("--salutation", salutation),
        _name("--first-name", first_name),
        _name("--surname", surname),
        address_of(new_email, "--email") if new_email is not None else None,
    )
    if correction == Correction():
        raise click.UsageError("Say what to correct: --salutation, --first-name, --surname or --email.")
    address = address_of(email)
    with context.database.write() as connection:
        former = people.find(connection, address)
        changed = rights.rectify(
            connection,
            address,
            correction,
            hasher=hasher_of(context),
            source=parse_note(source),
            now=context.now(),
        )
        record_act(context, [former.id] if former else [], connection=connection)
    text = f"Corrected: {', '.join(changed)}." if changed else "It was so already; nothing was changed."
    left = rights.erase_on_disk(context.database, former) if former and changed else []
    report_left(context, left)
    context.report({"changed": changed, "left": left}, text, as_json=as_json)


@subscribers.command()
@click.argument("email", required=False)
@click.option("--schema", is_flag=True, help="Print the JSON schema of an export in place of one.")
@json_option
@click.pass_obj
def export(context: CommandContext, email: str | None, schema: bool, as_json: bool) -> None:
    """Print a person's data as JSON (articles 15 and 20).

    It includes the mails to the person.

    \b
    Example:
      mailer subscribers export jan@example.com > jan.json
    """
    if schema:
        context.report(rights.EXPORT_SCHEMA, reporting.as_json(rights.EXPORT_SCHEMA), as_json=as_json)
        return
    if email is None:
        raise click.UsageError("Name the person: EMAIL.")
    values = rights.export_values(look_up(context, email))
    context.report(values, reporting.as_json(values), as_json=as_json)


def report_left(context: CommandContext, left: Sequence[str]) -> None:
    """Report where erased data may still be on disk."""
    for place in left:
        context.console.print(f"Still on disk: {place}", markup=False)


def _confirm(context: CommandContext, withdrawn: int, agreed: int, *, yes: bool) -> None:
    if not yes:
        confirm_many(context, f"The file would withdraw the consent of {withdrawn:,} of {agreed:,} people.")


def _name(option: str, value: str | None) -> str | None:
    try:
        return None if value is None else parse_name(value)
    except InvalidInput as error:
        raise InvalidInput(f"{error.reason}.", where=option) from None
