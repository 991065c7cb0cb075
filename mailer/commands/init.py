"""mailer init: the settings, the secrets and the database."""

from __future__ import annotations

from pathlib import Path

import click

from mailer.commands.context import CommandContext
from mailer.commands.ledger_keys import make_ledger_key
from mailer.commands.options import json_option
from mailer.config import SECRETS_NAME
from mailer.config.init_files import InitOptions, is_unfinished, write_files
from mailer.database import last_signing_key_id
from mailer.errors import ConfigurationError


@click.command()
@click.option("--sender", metavar="ADDRESS", help='What recipients see as From: "Name <address>".')
@click.option("--public-url", metavar="URL", help="Where `mailer serve` is reached from outside.")
@click.option("--database-url", metavar="URL", help="sqlite:///mailer.db or postgresql://user@host/database.")
@click.option("--new-key", is_flag=True, help="Make new keys though this database was used with others.")
@json_option
@click.pass_obj
def init(
    context: CommandContext,
    sender: str | None,
    public_url: str | None,
    database_url: str | None,
    new_key: bool,
    as_json: bool,
) -> None:
    """Create the settings, the secrets and the database.

    Beside the secrets it makes mailer.ledger.key, which signs the consent ledger. Keep a copy of both.

    Safe to repeat: files that exist are left as they are, and a database with tables of this version is kept.

    \b
    Example:
      mailer init --sender "Acme <news@acme.example>" --public-url https://acme.example/mail
    """
    config = context.new_config_path
    if not new_key:
        _refuse_to_replace_lost_keys(context, config)
    made = write_files(config, InitOptions(sender, public_url, database_url))
    if config not in made and (sender or public_url or database_url):
        context.console.print(
            f"{config} was there already and is left as it is; edit it to change a setting."
        )
    created = context.database.create()
    key = context.settings.ledger_key_file
    if key.parent == config.parent.absolute():
        key = config.with_name(key.name)
    if make_ledger_key(context, replace_lost=new_key):
        made.append(key)
    secrets = config.with_name(SECRETS_NAME)
    values = {
        "config": config,
        "secrets": secrets,
        "made": [str(path) for path in made],
        "database": "migrated" if created else "unchanged",
    }
    lines = [f"{path}: {'made' if path in made else 'kept'}" for path in (config, secrets, key)]
    lines.append(f"database: {'ready' if created else 'up to date'}")
    if made:
        lines += ["", f"Next: look through {config}, then run `mailer doctor`."]
    context.report(values, "\n".join(lines), as_json=as_json)


def _refuse_to_replace_lost_keys(context: CommandContext, config: Path) -> None:
    """Raise ConfigurationError where the secrets file is gone and the database was used with its keys."""
    secrets = config.with_name(SECRETS_NAME)
    if not config.exists() or is_unfinished(config) or (secrets.exists() and not is_unfinished(secrets)):
        return
    if context.settings.secret_keys:
        return
    if not context.database.is_current():
        return
    with context.database.read() as connection:
        key = last_signing_key_id(connection)
    if key is not None:
        raise ConfigurationError(
            f"{secrets} is missing or empty, and this database was used with its key {key}.",
            hint="Restore the file from your copy. If it is lost for good, --new-key makes new keys: links in mails "
            "already sent stop working, and suppressed addresses are no longer recognised.",
        )
