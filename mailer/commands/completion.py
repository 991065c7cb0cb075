"""What the shell's completion reads. It parses the options of `mailer` and runs nothing, so there is no CommandContext."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy import Connection

from mailer.config import Settings, load_settings
from mailer.database import Database


def settings_of(ctx: click.Context) -> Settings:
    """The settings that the command line names. Raises ConfigurationError."""
    return load_settings(ctx.find_root().params.get("config"))


@contextmanager
def reading(settings: Settings) -> Iterator[Connection]:
    """A reading transaction in the database of the settings. Raises MailerError."""
    database = Database(settings.database_url.reveal(), settings.folder)
    database.require_current()
    try:
        with database.read() as connection:
            yield connection
    finally:
        database.close()
