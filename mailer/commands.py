"""Commands of the house itself: init, doctor, serve, keys."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from email.utils import parseaddr
from pathlib import Path

import click
import uvicorn

from mailer import dkim, keyring, resolver, signing_keys
from mailer import doctor as checks
from mailer.door import Door
from mailer.errors import ConfigurationError, MailerError
from mailer.settings import SECRETS_NAME
from mailer.starter import Wishes, write_files

json_option = click.option("--json", "as_json", is_flag=True, help="Report one JSON object on stdout.")


@click.command()
@click.option("--sender", metavar="ADDRESS", help='What recipients see as From: "Name <address>".')
@click.option("--public-url", metavar="URL", help="Where `mailer serve` is reached from outside.")
@click.option("--database-url", metavar="URL", help="sqlite:///mailer.db or postgresql://user@host/database.")
@json_option
@click.pass_obj
def init(
    door: Door, sender: str | None, public_url: str | None, database_url: str | None, as_json: bool
) -> None:
    """Make the settings, the secrets and the database.

    Safe to repeat: files that exist are left as they are, and the database is upgraded to this version.

    \b
    Example:
      mailer init --sender "Acme <news@acme.example>" --public-url https://acme.example/mail
    """
    config = door.config_path
    made = write_files(config, Wishes(sender, public_url, database_url))
    if config not in made and (sender or public_url or database_url):
        door.console.print(f"{config} was there already and is left as it is; edit it to change a setting.")
    migrated = door.database.migrate()
    secrets = config.with_name(SECRETS_NAME)
    values = {
        "config": config,
        "secrets": secrets,
        "made": [str(path) for path in made],
        "database": "migrated" if migrated else "unchanged",
    }
    lines = [f"{path}: {'made' if path in made else 'kept'}" for path in (config, secrets)]
    lines.append(f"database: {'ready' if migrated else 'up to date'}")
    if made:
        lines += ["", f"Next: look through {config}, then run `mailer doctor`."]
    door.report(values, "\n".join(lines), as_json=as_json)


@click.command()
@click.option("--offline", is_flag=True, help="Leave out what needs the network: relay, DNS, public address.")
@json_option
@click.pass_obj
def doctor(door: Door, offline: bool, as_json: bool) -> None:
    """Check settings, secrets, database, relay and DNS.

    Each line is ok, warn or fail, with what to do about it. Ends with 1 if anything fails. Sends no mail.

    \b
    Example:
      mailer doctor
    """
    findings = list(_findings(door, offline=offline))
    failed = any(finding.level is checks.Level.FAIL for finding in findings)
    values = {"healthy": not failed, "findings": [dataclasses.asdict(finding) for finding in findings]}
    door.report(values, "\n".join(_line(finding) for finding in findings), as_json=as_json)
    if failed:
        raise click.exceptions.Exit(MailerError.exit_code)


def _findings(door: Door, *, offline: bool) -> Iterator[checks.Finding]:
    try:
        settings = door.settings
        base = door.database
    except ConfigurationError as error:
        yield checks.failure("settings", error)
        return
    yield checks.Finding("settings", checks.Level.OK, str(door.config_path))
    yield from checks.secrets(settings, door.config_path)
    yield from checks.database(base)
    yield from checks.sender(settings, None if offline else resolver.texts)
    if not offline:
        for name in settings.every_relay:
            yield asyncio.run(checks.relay(settings, name))
        yield checks.public_address(settings)


def _line(finding: checks.Finding) -> str:
    hint = f"\n{'':18}{finding.hint}" if finding.hint else ""
    return f"{finding.level:<5} {finding.check:<11} {finding.message}{hint}"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8025, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one."
)
@click.option("--access-log", is_flag=True, help="Log each request: method, route, status, time.")
@click.pass_obj
def serve(door: Door, host: str, port: int, access_log: bool) -> None:
    """Serve the unsubscribe pages.

    Speaks plain HTTP: put a reverse proxy with HTTPS in front of it, as the README shows. No log of it ever holds a
    page's address, because that is somebody's token.

    \b
    Example:
      mailer serve --host 127.0.0.1 --port 8025
    """
    if not door.database.is_current():
        raise ConfigurationError("The database has no tables of this version.", hint="Run `mailer init`.")
    os.environ["MAILER_CONFIG"] = str(door.config_path)
    logging.basicConfig(
        level=logging.INFO if access_log else logging.WARNING, format="%(asctime)s %(levelname)s %(message)s"
    )
    with _listen(host, port) as listener:
        name = f"[{host}]" if ":" in host else host
        door.console.print(
            f"Listening on http://{name}:{listener.getsockname()[1]} for {door.settings.public_url}"
        )
        config = uvicorn.Config(
            "web:create_app",
            factory=True,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing here depends on who asks, or how
            timeout_graceful_shutdown=10,
        )
        with suppress(KeyboardInterrupt):  # uvicorn has shut down in order before it passes the signal on
            uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = str(error.strerror).partition(" (while ")[0]  # the standard library repeats the address
        raise MailerError(
            f"Can't listen on {host}, port {port}: {reason}.",
            hint="Is it running already? Choose another --port.",
        ) from None


@click.group()
def keys() -> None:
    """Secret keys and DKIM keys.

    \b
    Example:
      mailer keys rotate
    """


@keys.command()
@json_option
@click.pass_obj
def rotate(door: Door, as_json: bool) -> None:
    """Sign with a fresh secret key from now on.

    It is added to the secrets file; links that were signed with the older keys keep working. Restart
    `mailer serve` afterwards.

    \b
    Example:
      mailer keys rotate
    """
    if os.environ.get("MAILER_SECRET_KEYS"):
        raise ConfigurationError(
            "The keys come from MAILER_SECRET_KEYS, which wins over the secrets file.",
            hint="Add a fresh one at its end, after a comma.",
        )
    path = door.config_path.with_name(SECRETS_NAME)
    count = keyring.rotate(path)
    door.report(
        {"secrets": path, "keys": count},
        f"{path}: {count} keys, the newest signs. Keep a copy of the file in a safe place.",
        as_json=as_json,
    )


@keys.command("dkim")
@click.option("--domain", help="The From address's domain; it is the default.")
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
def dkim_(door: Door, domain: str | None, selector: str, algorithm: str, as_json: bool) -> None:
    """Make a DKIM key pair and print its DNS record.

    The private key goes into a new file beside the settings, readable by its owner only.

    \b
    Example:
      mailer keys dkim --domain acme.example --selector mailer2026
    """
    domain = domain or parseaddr(door.settings.sender)[1].rpartition("@")[2]
    prefix, kind = {
        "rsa": ("", dkim.Algorithm.RSA_SHA256),
        "ed25519": ("ed25519_", dkim.Algorithm.ED25519_SHA256),
    }[algorithm]
    key = dkim.generate(kind, domain=domain, selector=selector)
    path = Path(f"dkim-{selector}.pem")
    signing_keys.write(key, door.config_path.parent / path)
    record = dkim.dns_record(key)
    toml = f'[dkim]\ndomain = "{domain}"\n{prefix}selector = "{selector}"\n{prefix}key_file = "{path}"'
    door.report(
        {
            "key_file": path,
            "name": record.name,
            "type": "TXT",
            "text": record.text,
            "zone_line": record.zone_line,
        },
        f"Publish in DNS:\n\n{record.zone_line}\n\nthen set in {door.config_path}:\n\n{toml}",
        as_json=as_json,
    )
