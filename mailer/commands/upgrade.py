"""mailer upgrade: bring the database to this version."""

from __future__ import annotations

from pathlib import Path

import click

from mailer.commands.context import CommandContext
from mailer.commands.options import json_option
from mailer.commands.waiting import busy


@click.command()
@json_option
@click.pass_obj
def upgrade(context: CommandContext, as_json: bool) -> None:
    """Bring the database to this version.

    First stop all other commands that use it. A SQLite file is copied before the upgrade. Back up a
    PostgreSQL database with pg_dump first.

    \b
    Example:
      mailer upgrade
    """
    from mailer.backup.snapshot import take  # noqa: PLC0415 - --help needs no database
    from mailer.database.schema_version import SchemaState  # noqa: PLC0415 - as above

    database = context.database
    backup: Path | None = None
    if database.is_sqlite and database.schema_state() is SchemaState.OLDER:
        path = Path(database.url.database or "")
        backup = path.with_name(f"{path.name}.before-upgrade-{context.now():%Y%m%dT%H%M%SZ}")
        with busy(context, "Copying the database"):
            take(database, backup, beside=True)
    with busy(context, "Upgrading the database"):
        upgraded = database.upgrade()
    context.report(
        {"database": "upgraded" if upgraded else "unchanged", "backup": backup},
        "\n".join(
            [
                *([f"backup: {backup}"] if backup else []),
                f"database: {'upgraded' if upgraded else 'up to date'}",
            ]
        ),
        as_json=as_json,
    )
