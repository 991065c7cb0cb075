"""Questions to the person at the terminal."""

from __future__ import annotations

import click

from mailer.errors import Refused


def confirm(question: str, refusal: str) -> None:
    """Ask the question. Raises Refused with `refusal` if the answer is not yes, or without a terminal."""
    try:
        if click.confirm(question, err=True):
            return
    except click.Abort:
        click.echo(err=True)
    raise Refused(refusal, hint="In a script, give --yes.")
