"""Options that commands of all layers share."""

from __future__ import annotations

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Report one JSON object on stdout.")
