"""mailer privacy audit: what shows others that each mail rested on a consent. It joins the group of the layer below."""

from __future__ import annotations

from pathlib import Path

import click

from campaigns.audit import count_people, write_audit
from mailer.commands import CommandContext, busy, json_option
from mailer.commands.acts import record_act
from mailer.errors import InvalidInput
from mailer.operator_log import Disclosure, PeopleConcerned
from mailer.quantity import quantity
from subscribers.commands.free_text import parse_free_text
from subscribers.commands.options import parse_time
from subscribers.commands.privacy import privacy
from subscribers.intake import FORMS

LONGEST_RECIPIENT = 200


@privacy.command()
@click.option("--from", "since", required=True, metavar="TIME", help=f"Campaigns sent from then on: {FORMS}.")
@click.option("--to", "until", metavar="TIME", help="And before then; now by default.")
@click.option(
    "--for", "recipient", default="an auditor", show_default=True, help="Who gets it; no email address."
)
@click.option(
    "--output",
    required=True,
    metavar="FILE.zip",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The new file.",
)
@json_option
@click.pass_obj
def audit(
    context: CommandContext, since: str, until: str | None, recipient: str, output: Path, as_json: bool
) -> None:
    """Write what shows that each mail had a consent.

    The file holds the whole ledger with its signed checkpoint, the wordings, and of each campaign of the window the
    deliveries: the commitment to the person, their newest ledger entry at that moment, and the outcome. No name and
    no address is in it. Anyone can check it with examples/verify_audit.py and the ledger's public key (`mailer keys
    ledger`), without the database. Commitments are personal data to anyone who has the database: writing the file is
    recorded as a disclosure.

    \b
    Example:
      mailer privacy audit --from 2026-01-01 --output audit.zip
    """
    now = context.now()
    hint = "Leave --to out for now."
    window = (
        parse_time(context, since, "--from", now),
        now if until is None else parse_time(context, until, "--to", now, hint=hint),
    )
    if window[0] >= window[1]:
        raise InvalidInput("it is not before --to.", where="--from")
    disclosure = Disclosure(parse_free_text(recipient, "--for", LONGEST_RECIPIENT), "audit")
    with context.database.read() as connection:
        people = PeopleConcerned(count_people(connection))
    record_act(context, people, disclosure=disclosure)
    with busy(context, "Writing the ledger and the deliveries"), context.database.read() as connection:
        made = write_audit(connection, output, *window, now)
    values = {
        "file": output,
        "from": window[0],
        "to": window[1],
        "campaigns": made.campaigns,
        "deliveries": made.outcomes,
        "entries": made.entries,
    }
    accepted = made.outcomes.get("accepted", 0)
    text = (
        f"{output}: {quantity(made.campaigns, 'campaign')}, {accepted:,} accepted of "
        f"{quantity(sum(made.outcomes.values()), 'delivery', 'deliveries')}, "
        f"{quantity(made.entries, 'ledger entry', 'ledger entries')}.\n"
        f"Check it: python examples/verify_audit.py {output} --key VKEY"
    )
    context.report(values, text, as_json=as_json)
