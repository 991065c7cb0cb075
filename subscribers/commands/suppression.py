"""Commands of suppressions: suppress, lift."""

from __future__ import annotations

from pathlib import Path

import click

from mailer.commands import CommandContext, json_option
from mailer.commands.acts import record_act, recorded_act
from mailer.errors import InvalidInput
from mailer.operator_log import PeopleConcerned
from mailer.quantity import noun
from subscribers import rights
from subscribers.address import EmailAddress
from subscribers.commands.confirmation import confirm_many
from subscribers.commands.options import address_of, email_argument, file_type, hasher_of
from subscribers.intake import MAX_UNCONFIRMED_PEOPLE, Refusal, as_text, in_batches, read_addresses
from subscribers.ledger import parse_note


@click.command()
@click.argument("file", type=file_type)
@click.option("--reason", required=True, help="Why, such as the older tool that they left.")
@click.option("--yes", is_flag=True, help="Do not ask, also where that withdraws many consents.")
@json_option
@click.pass_obj
def suppress(context: CommandContext, file: Path, reason: str, yes: bool, as_json: bool) -> None:
    """Suppress the addresses in a file, on file or not.

    FILE has one address a line, or is a CSV file with a column called email. Of people who are not on file only a
    keyed hash is kept. The consents of people on file are withdrawn.

    \b
    Example:
      mailer subscribers suppress opt-outs.csv --reason "left the older newsletter"
    """
    source, hasher = parse_note(reason), hasher_of(context)
    with as_text(file.open("rb")) as text:
        found = list(read_addresses(text, file.name))
    addresses = list({one.key: one for one in found if isinstance(one, EmailAddress)}.values())
    refused = [one for one in found if isinstance(one, Refusal)]
    with context.database.read() as connection:
        agreed = rights.count_agreed(connection, addresses)
    if agreed > MAX_UNCONFIRMED_PEOPLE and not yes:
        confirm_many(context, f"The file would withdraw the consent of {agreed:,} people.")
    suppressed = withdrawn = 0
    with recorded_act(context, is_required=False) as act:
        for some in in_batches(addresses):
            with context.database.write() as connection:
                done = rights.suppress_all(connection, some, hasher=hasher, source=source, now=context.now())
            suppressed, withdrawn = suppressed + done.suppressed, withdrawn + done.withdrawn
        act.number = len(addresses)
    values = {
        "read": len(found),
        "suppressed": suppressed,
        "unchanged": len(addresses) - suppressed,
        "withdrawn": withdrawn,
        "refused": len(refused),
    }
    lines = [
        f"{len(found):>9,}  {noun(len(found), 'row')} read",
        f"{suppressed:>9,}  {noun(suppressed, 'address', 'addresses')} suppressed",
        f"{len(addresses) - suppressed:>9,}  suppressed already",
        f"{withdrawn:>9,}  {noun(withdrawn, 'consent')} withdrawn",
        f"{len(refused):>9,}  refused",
        *(f"           row {one.row}: {one.reason}" for one in refused[:20]),
    ]
    context.report(values, "\n".join(lines), as_json=as_json)
    if refused and not addresses:
        raise InvalidInput("no row holds an address.", where=file.name)


@click.command()
@email_argument
@click.option("--reason", required=True, help="Why it may be mailed again; kept without the address.")
@json_option
@click.pass_obj
def lift(context: CommandContext, email: str, reason: str, as_json: bool) -> None:
    """Take back the suppression of an address. Consents that were withdrawn stay withdrawn.

    \b
    Example:
      mailer subscribers lift jan@example.com --reason "suppressed by mistake"
    """
    with context.database.write() as connection:
        rights.lift(
            connection,
            address_of(email),
            hasher=hasher_of(context),
            source=parse_note(reason),
            now=context.now(),
        )
        record_act(context, PeopleConcerned(1), connection=connection)
    context.report({"lifted": True}, "Lifted.", as_json=as_json)
