"""mailer backup: copy the database while it is used."""

from __future__ import annotations

from pathlib import Path

import click

from mailer.commands.acts import recorded_act
from mailer.commands.context import CommandContext
from mailer.commands.options import json_option
from mailer.commands.waiting import busy
from mailer.errors import MailerError


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
@click.pass_obj
def backup(context: CommandContext, file: Path, as_json: bool) -> None:
    """Back up the database while it is used.

    FILE must not exist. Only its owner can read it, and it is complete without other files. FILE.sha256 has
    its checksum. The command lists the other files to keep. For PostgreSQL it prints the pg_dump command and
    exits with 1.

    It works also where the database takes no writes, because its disk is read-only or full. Then it says that the
    operator's log does not have it ("recorded" with --json).

    \b
    Example:
      mailer backup backups/mailer-2026-11-28.db
    """
    from mailer.backup.snapshot import files_to_keep, pg_dump_command, take  # noqa: PLC0415 - --help needs no database
    from mailer.operator_log import everybody  # noqa: PLC0415 - as above

    database = context.database
    keep = list(files_to_keep(context.settings, context.config_path.absolute()))
    if not database.is_sqlite:
        raise MailerError(
            "Nothing was written: a PostgreSQL database is backed up by its own program.",
            hint="\n".join(
                [f"Run: {pg_dump_command(database, file)}", *_keep_lines(keep)],
            ),
        )
    database.require_current()
    with recorded_act(context, is_required=False) as act, busy(context, "Copying the database"):
        taken = take(database, file)
        with database.read() as connection:
            act.number = everybody(connection).number
    values = {
        "backup": taken.path,
        "checksum": taken.checksum,
        "sha256": taken.sha256,
        "bytes": taken.size,
        "recorded": act.is_recorded,
        "keep": [{"file": path, "why": why} for path, why in keep],
    }
    lines = [f"{taken.path}: {taken.size:,} bytes, SHA-256 in {taken.checksum}", *_keep_lines(keep)]
    context.report(values, "\n".join(lines), as_json=as_json)


def _keep_lines(keep: list[tuple[Path, str]]) -> list[str]:
    return ["Not in it; keep these as well:", *(f"  {path}: {why}" for path, why in keep)]
