"""mailer restore: put a backup in place, and hold its campaigns."""

from __future__ import annotations

from pathlib import Path

import click

from campaigns import holds
from campaigns.commands.options import yes_option
from mailer.commands import CommandContext, busy, confirm, json_option
from mailer.commands.acts import record_act
from mailer.errors import MailerError
from mailer.operator_log import everybody


@click.command()
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
)
@yes_option
@json_option
@click.pass_obj
def restore(context: CommandContext, file: Path | None, yes: bool, as_json: bool) -> None:
    """Put a backup in place, and hold its campaigns.

    Nothing is sent afterwards until those who left since have been applied, and until you have said for each campaign
    whether what was open counts as sent. The former database is kept beside it. `mailer serve` may go on running.

    Without FILE it holds the database as it is: use that after pg_restore, or after you copied a file by hand.

    \b
    Example:
      mailer restore backups/mailer-2026-11-28.db
      mailer restore
    """
    from mailer.backup.restore import restore as put_in_place  # noqa: PLC0415 - --help needs no database
    from mailer.backup.snapshot import pg_restore_command  # noqa: PLC0415 - as above

    database = context.database
    if file is not None and not database.is_sqlite:
        raise MailerError(
            "A PostgreSQL database is restored by its own program.",
            hint=f"Run: {pg_restore_command(database, file)}\n"
            "then `mailer restore` without a file, which holds its campaigns.",
        )
    if not yes:
        confirm(
            f"Replace the database with {file}?"
            if file
            else "Hold all campaigns as those of a restored database?",
            "Nothing was changed.",
        )
    now = context.now()
    former = None
    if file is not None:
        with busy(context, "Checking and copying the backup"):
            done = put_in_place(database, file, holds.hold_for(f"from {file.name}", now), now)
        former = done.former
        if not done.is_verified:
            context.console.print(f"{file} has no checksum beside it; it was checked for damage only.")
    else:
        with database.write() as connection:
            holds.hold(connection, "by another program", now)
    with database.write() as connection:
        record_act(context, everybody(connection), connection=connection)
    holds.Continuity(database, context.settings, context.clock).rebase()
    with database.read() as connection:
        values = {
            "restored": file,
            "former": former,
            "campaigns": holds.held_slugs(connection),
            "digests": holds.held_digests(connection),
        }
        problem = holds.problem(connection)
    lines = [f"{file}: in place." if file else "Held."]
    lines += [f"The former database is {former}."] if former else []
    lines += [str(problem)] if problem else []
    context.report(values, "\n".join(lines), as_json=as_json)
