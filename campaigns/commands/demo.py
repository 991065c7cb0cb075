"""The demo's command."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mailer.commands import CommandContext, json_option


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="The folder it works in; an earlier demo's is emptied first.",
)
@click.option(
    "--stay/--once",
    default=None,
    help="Run until Ctrl-C, or end at once; on a terminal the default is --stay.",
)
@json_option
@click.pass_obj
def demo(context: CommandContext, folder: Path, stay: bool | None, as_json: bool) -> None:
    """Show the whole cycle on this machine.

    It works in its own folder. It imports people, ticks a box in an account system, and sends release notes
    to a mail catcher on this machine. Then it clicks an unsubscribe link, which unticks the box, and sends a
    second release, which that person does not get.

    \b
    Example:
      mailer demo
      mailer demo --once --json
    """
    from campaigns.demo import run_cycle  # noqa: PLC0415 - its servers are slow to import, and only wanted here

    stays = sys.stdout.isatty() if stay is None else stay
    summary = run_cycle(folder, context.console, stay=stays)
    if as_json or not stays:  # who stayed has read it already
        context.report(summary.values(), summary.text(), as_json=as_json)
