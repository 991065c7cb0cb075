"""The command that prints JSON schemas for editors: schema."""

from __future__ import annotations

import json
from collections.abc import Callable

import click

from mailer.output import write_line

_SCHEMAS = ("settings", "notes")


@click.command()
@click.argument("name", type=click.Choice(_SCHEMAS))
def schema(name: str) -> None:
    """Print the JSON schema of the settings, or of the front matter of notes.

    Editors complete and check files with it.

    \b
    Example:
      mailer schema settings > mailer.schema.json
      mailer schema notes > notes.schema.json
    """
    write_line(json.dumps(_find(name)(), indent=2, ensure_ascii=False))


def _find(name: str) -> Callable[[], dict[str, object]]:
    if name == "notes":
        from campaigns.notes.schema import notes_schema  # noqa: PLC0415 - each only where it is wanted

        return notes_schema
    from mailer.config.schema import settings_schema  # noqa: PLC0415 - as above

    return settings_schema
