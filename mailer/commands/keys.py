"""mailer keys: secret keys, DKIM keys and access tokens."""

from __future__ import annotations

import os
from pathlib import Path

import click

from mailer.commands.access_tokens import api
from mailer.commands.context import CommandContext
from mailer.commands.ledger_keys import make_ledger_key
from mailer.commands.options import json_option
from mailer.config import SECRETS_NAME, dkim_keys, ledger_key, secret_keys
from mailer.errors import ConfigurationError
from mailer.message import dkim, headers
from mailer.quantity import quantity


@click.group()
def keys() -> None:
    """Create and rotate secret keys, DKIM keys and access tokens.

    \b
    Example:
      mailer keys rotate
    """


keys.add_command(api)


@keys.command()
@click.option("--prepare", is_flag=True, help="Only add the key: it verifies, and signs nothing yet.")
@click.option("--activate", is_flag=True, help="Sign with the prepared key from now on.")
@json_option
@click.pass_obj
def rotate(context: CommandContext, prepare: bool, activate: bool, as_json: bool) -> None:
    """Sign with a new secret key from now on.

    It is added to the secrets file. Links that were signed with the older keys keep working. Processes that run read
    the file again within a second.

    With several hosts, a key must verify on each of them before it signs on any: use --prepare, copy the file to all
    hosts, then use --activate on each.

    \b
    Example:
      mailer keys rotate
      mailer keys rotate --prepare
      mailer keys rotate --activate
    """
    if prepare and activate:
        raise click.UsageError("Use --prepare or --activate, not both.")
    if os.environ.get("MAILER_SECRET_KEYS"):
        raise ConfigurationError(
            "The keys come from MAILER_SECRET_KEYS, which wins over the secrets file.",
            hint="Add a fresh one at its end, after a comma: its creation time, such as 20261128T091500Z, a hyphen, "
            "and 43 random letters and digits. With several hosts, set it as MAILER_NEXT_SECRET_KEY everywhere first.",
        )
    path = context.config_path.with_name(SECRETS_NAME)
    if prepare:
        made = secret_keys.prepare(path)
        text = f"{path}: {'a key is' if made else 'a key was already'} prepared. Copy the file to all hosts, then run "
        text += "`mailer keys rotate --activate` on each."
        context.report({"secrets": path, "prepared": True, "made": made}, text, as_json=as_json)
        return
    count = secret_keys.activate(path) if activate else secret_keys.rotate(path)
    context.report(
        {"secrets": path, "keys": count},
        f"{path}: {quantity(count, 'key')}, the newest signs. Keep a copy of the file in a safe place.",
        as_json=as_json,
    )


@keys.command()
@click.argument("act", required=False, type=click.Choice(["rotate"]))
@json_option
@click.pass_obj
def ledger(context: CommandContext, act: str | None, as_json: bool) -> None:
    """Print the consent ledger's public key; make it if there is none.

    Publish it where others find it: people who check a proof of consent compare it. `mailer serve` shows it at
    /.well-known/consent-log-key. Keep a copy of the key's file, mailer.ledger.key beside the secrets.

    With `rotate` a new key signs from now on. The former key signs the new one, in the same file; its earlier
    signatures stay valid. Copy the file to all hosts.

    \b
    Example:
      mailer keys ledger
      mailer keys ledger rotate
    """
    path = context.settings.ledger_key_file
    if act == "rotate":
        ledger_key.rotate(path)
    else:
        make_ledger_key(context)
    key = ledger_key.read(path)
    values = {"vkey": key.vkey, "former": [one.vkey for one in key.former]} if key is not None else {}
    context.report(values, key.vkey if key is not None else "", as_json=as_json)


@keys.command("dkim")
@click.option("--domain", help="The domain that signs; by default the sender's.")
@click.option("--selector", default="mailer", show_default=True, help="The key's name in DNS.")
@click.option(
    "--algorithm",
    type=click.Choice(["rsa", "ed25519"]),
    default="rsa",
    show_default=True,
    help="Everyone verifies rsa; ed25519 goes beside it.",
)
@json_option
@click.pass_obj
def dkim_(context: CommandContext, domain: str | None, selector: str, algorithm: str, as_json: bool) -> None:
    """Create a DKIM key pair and print its DNS record.

    The private key goes into a new file beside the settings, readable by its owner only.

    \b
    Example:
      mailer keys dkim --domain acme.example --selector mailer2026
    """
    domain = headers.ascii_domain(domain or context.settings.sender.domain)
    prefix, kind = {
        "rsa": ("", dkim.Algorithm.RSA_SHA256),
        "ed25519": ("ed25519_", dkim.Algorithm.ED25519_SHA256),
    }[algorithm]
    key = dkim.generate(kind, domain=domain, selector=selector)
    path = Path(f"dkim-{selector}.pem")
    dkim_keys.write(key, context.config_path.parent / path)
    record = dkim.dns_record(key)
    toml = f'[dkim]\ndomain = "{domain}"\n{prefix}selector = "{selector}"\n{prefix}key_file = "{path}"'
    context.report(
        {
            "key_file": path,
            "name": record.name,
            "type": "TXT",
            "text": record.text,
            "zone_line": record.zone_line,
        },
        f"Publish in DNS:\n\n{record.zone_line}\n\nthen set in {context.config_path}:\n\n{toml}",
        as_json=as_json,
    )
