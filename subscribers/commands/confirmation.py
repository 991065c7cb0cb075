"""Ask before many consents are withdrawn."""

from __future__ import annotations

import sys

import click

from mailer.commands import CommandContext
from mailer.errors import Refused


def confirm_many(context: CommandContext, problem: str) -> None:
    """Ask whether to continue in spite of `problem`. Raises Refused if the answer is no, or without a
    terminal.
    """
    if sys.stdin.isatty():
        context.console.print(problem, markup=False)
        try:
            if click.confirm("Go on?", err=True):
                return
        except click.Abort:
            click.echo(err=True)
        raise Refused("Nothing of the file was applied.")
    raise Refused(
        f"{problem} Nothing of the file was applied.",
        hint="Look whether the file is right. If it is, say --yes.",
    )
