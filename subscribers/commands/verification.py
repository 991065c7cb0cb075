"""Commands that check the whole ledger: verify, and sign for a ledger that is older than its key."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from mailer.backup import HEAD_NAME
from mailer.commands import CommandContext, busy, confirm, json_option
from mailer.errors import Refused
from mailer.quantity import quantity
from subscribers import ledger
from subscribers.commands.anchoring import check_all
from subscribers.commands.options import hasher_of
from subscribers.ledger import BrokenEntry, HeadFile, Verified
from subscribers.ledger.anchor import Anchor, newest

_HASH = re.compile("[0-9a-f]{64}")


@click.command()
@click.option(
    "--noted", metavar="HASH", help="A head that was noted earlier, which must still be in the ledger."
)
@click.option(
    "--quick", is_flag=True, help="Look at the signature, the head file, the tree and some entries only."
)
@click.option(
    "--anchor",
    "anchors",
    metavar="FILE",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with anchors, beside that of the settings.",
)
@json_option
@click.pass_obj
def verify(
    context: CommandContext, noted: str | None, quick: bool, anchors: tuple[Path, ...], as_json: bool
) -> None:
    """Verify the whole ledger and name the first broken entry.

    The ledger is compared with its signature and with the head file, mailer.head, which the database's writers can't
    reach; and with its anchors, for the case that database and head file were rolled back together.

    \b
    Example:
      mailer consent verify
      mailer consent verify --quick
      mailer consent verify --noted 3f5a...
    """
    if noted is not None and quick:
        raise click.UsageError("Use --noted without --quick: it needs all entries.")
    if noted is not None and not _HASH.fullmatch(noted):
        raise click.BadParameter("a head is 64 characters of 0-9 and a-f.", param_hint="--noted")
    head_file = HeadFile(context.database, context.settings.beside(HEAD_NAME))
    try:
        with context.database.read() as connection:
            covered = head_file.check(connection)
        anchored = check_all(context, anchors, newest_only=quick)
        with busy(context, "Reading the ledger"), context.database.read() as connection:
            if quick:
                verified = ledger.verify_quickly(connection)
            else:
                verified = ledger.verify(connection, noted=noted, hasher=hasher_of(context))
    except BrokenEntry as error:
        if as_json:
            context.report(
                {"intact": False, "line": error.entry_id, "problem": error.problem}, "", as_json=True
            )
        raise
    values = {
        "intact": True,
        "events": verified.events,
        "head": verified.head,
        "signed": verified.signed,
        "in_head_file": covered,
        "anchors": len(anchored),
        "quick": quick,
    }
    text = "\n".join(_lines(verified, covered, anchored, quick=quick))
    context.report(values, text, as_json=as_json)


@click.command()
@click.option("--anew", is_flag=True, help="Replace the signature of a key that was lost.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def sign(context: CommandContext, anew: bool, yes: bool, as_json: bool) -> None:
    """Sign a ledger that was made before its key, as it is now.

    All entries, the tree and the consents are compared first. It is needed once: each later entry is signed when it is
    recorded.

    \b
    Example:
      mailer consent sign
    """
    if anew and not yes:
        if not sys.stdin.isatty():
            raise Refused("Nothing was signed.", hint="Say --yes: it replaces what was signed before.")
        confirm("Sign the ledger as it is, whatever was signed before?", "Nothing was signed.")
    head_file = HeadFile(context.database, context.settings.beside(HEAD_NAME))
    with busy(context, "Reading the ledger"), context.database.write() as connection:
        size = ledger.sign_as_it_is(connection, head_file, anew=anew)
    head_file.rebase()
    context.report({"signed": size}, f"Signed: {quantity(size, 'entry', 'entries')}.", as_json=as_json)


def _lines(
    verified: Verified, covered: int | None, anchored: Sequence[Anchor], *, quick: bool
) -> Iterator[str]:
    """What was verified, in sentences. `covered` are the entries that the head file covers, if there is one."""
    events = quantity(verified.events, "event")
    yield f"The ledger is intact: {events}, {verified.signed:,} of them signed, head {verified.head}."
    if quick:
        entries = quantity(verified.looked_at, "entry", "entries")
        yield f"Only its end, its tree and {entries} were looked at; without --quick all are."
    if covered is None:
        yield "There is no head file to compare it with."
    else:
        yield f"The head file beside the settings covers {covered} of them."
    if (last := newest(anchored)) is not None:
        yield f"It holds {quantity(len(anchored), 'anchor')}, the newest of {last.made_at:%Y-%m-%d}."
