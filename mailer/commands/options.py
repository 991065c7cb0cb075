"""Options that commands of all layers share."""

from __future__ import annotations

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Report one JSON object on stdout.")
processes_option = click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="How many processes send side by side.",
)
