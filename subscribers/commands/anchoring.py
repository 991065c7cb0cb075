"""mailer consent anchor, and the anchor that run-due makes each day."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from mailer.commands import CommandContext, json_option
from mailer.commands.daily import is_due_today
from mailer.quantity import quantity
from subscribers.ledger.anchor import (
    Anchor,
    Authority,
    append_anchor,
    check_anchors,
    make_anchor,
    newest,
    read_anchors,
    signed_note,
)


@click.command()
@click.option(
    "--to",
    "file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to add it to; by default that of the settings, mailer.anchors.",
)
@json_option
@click.pass_obj
def anchor(context: CommandContext, file: Path | None, as_json: bool) -> None:
    """Take the ledger's newest checkpoint out of the database.

    It is added to a file, with the time stamp of an authority (RFC 3161) where [anchors] in the settings names one.
    Keep the file where the database's writers can't reach it. `mailer consent verify` compares the ledger with it,
    and finds a rollback of the database also where the head file was rolled back with it.

    \b
    Example:
      mailer consent anchor
      mailer consent anchor --to /mnt/elsewhere/mailer.anchors
    """
    path = file or context.settings.anchors.file
    made = _make(context, path)
    values = {"file": path, "checkpoint": made.checkpoint, "is_stamped": made.timestamp is not None}
    _, size, root = made.checkpoint.split("\n")[:3]
    stamped = ", with a time stamp" if made.timestamp is not None else ""
    text = f"{path}: {quantity(int(size), 'entry', 'entries')}, root {root}{stamped}."
    context.report(values, text, as_json=as_json)


def anchor_daily(context: CommandContext) -> None:
    """Make an anchor where the settings want one each day, and the file's newest is older. Raises MailerError."""
    settings = context.settings.anchors
    if not settings.daily:
        return
    last = newest(read_anchors(settings.file))
    if is_due_today(last.made_at if last is not None else None, context.now()):
        _make(context, settings.file)


def check_all(context: CommandContext, files: Sequence[Path], *, newest_only: bool) -> list[Anchor]:
    """Compare the ledger with the anchors in `files` and in the settings' file; returns them. Raises BrokenEntry."""
    settings = context.settings.anchors
    paths = dict.fromkeys((*files, settings.file))
    with context.database.read() as connection:
        return [
            each
            for path in paths
            for each in check_anchors(
                connection, path, settings.authority_certificates, newest_only=newest_only
            )
        ]


def _make(context: CommandContext, path: Path) -> Anchor:
    settings, authority = context.settings.anchors, None
    if settings.authority_url is not None and settings.authority_certificates is not None:
        authority = Authority(settings.authority_url, settings.authority_certificates)
    with context.database.read() as connection:
        note = signed_note(connection)
    made = make_anchor(note, context.now(), authority)
    append_anchor(path, made)
    return made
