"""mailer subscribers sync: bring consents in line with the full list of an account system."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import click

from mailer.commands import CommandContext, json_option
from mailer.commands.acts import recorded_act
from mailer.operator_log import PeopleConcerned
from mailer.quantity import quantity
from subscribers.commands import reporting
from subscribers.commands.confirmation import confirm_many
from subscribers.commands.files import opened_people
from subscribers.commands.options import (
    encoding_option,
    evidence_of,
    language_option,
    parse_time,
    refusals_option,
    topic_option,
    version_option,
    wording_option,
)
from subscribers.intake import (
    FORMS,
    AccountSync,
    encoding_name,
)
from subscribers.kinds import Channel


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--source", required=True, help="Which system's list it is; goes into the ledger.")
@wording_option
@topic_option
@language_option
@version_option
@click.option(
    "--as-of", metavar="TIME", help=f"When the list was made; by default the file's own time. {FORMS}."
)
@refusals_option
@encoding_option
@click.option(
    "--apply", "apply_", is_flag=True, help="Apply the differences; without it they are only shown."
)
@click.option("--yes", is_flag=True, help="Do not ask, also where many consents end.")
@json_option
@click.pass_obj
def sync(
    context: CommandContext,
    file: Path,
    source: str,
    wording: Path,
    topic: str | None,
    language: str,
    wording_version: str,
    as_of: str | None,
    refusals: Path | None,
    encoding: str | None,
    apply_: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Bring consents in line with the full list of an account system.

    The columns and the rules are those of `mailer subscribers import`. In addition, a person who consented
    before the list was made and is in none of its rows is withdrawn; people who signed up without an account
    are not changed. A consent that is older than a withdrawal has no effect. Without --apply the differences
    are only shown.

    Use it from time to time beside the API, and find the cause of any differences.

    \b
    Example:
      mailer subscribers sync accounts.csv --source "accounts of the portal" --wording wording.txt
    """
    evidence = evidence_of(context, topic, source, wording, language, wording_version, Channel.SYNC)
    made_at = _made_at(context, file, as_of)

    def confirm(withdrawn: int, agreed: int) -> None:
        if not yes:
            confirm_many(
                context,
                f"The list would withdraw the consent of {withdrawn:,} of {quantity(agreed, 'person', 'people')}.",
            )

    with opened_people(context, file, encoding, refusals=refusals, wording=wording) as opened:
        job = opened.import_job(context, evidence, dry_run=not apply_)
        with recorded_act(context) if apply_ else nullcontext(PeopleConcerned()) as act:
            report = AccountSync(job, made_at, confirm).run(opened.text, opened.name)
            act.number = report.rows.granted + report.rows.withdrawn + report.missing
        encoded = encoding_name(opened.text)
    summary = reporting.of_import(report.rows, opened.refusals, encoded, dry_run=not apply_)
    missing = f"{report.missing:9,}  missing from the list, {'withdrawn' if apply_ else 'to be withdrawn'}"
    hint = "" if apply_ else "\nApply it with --apply."
    context.report(
        report.values() | {"refusals_file": opened.refusals.path if report.rows.refused else None},
        f"{summary}\n{missing}{hint}",
        as_json=as_json,
    )


def _made_at(context: CommandContext, file: Path, as_of: str | None) -> datetime:
    now = context.now()
    if as_of is not None:
        return parse_time(context, as_of, "--as-of", now)
    if str(file) == "-":
        return now
    return min(datetime.fromtimestamp(file.stat().st_mtime, UTC), now)
