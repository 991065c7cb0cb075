"""mailer deploy: files for systemd, cron and reverse proxies, with values from the settings."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mailer.commands.context import CommandContext
from mailer.commands.options import json_option
from mailer.config import CONFIG_NAME
from mailer.errors import ConfigurationError, InvalidInput
from mailer.new_files import write_output

_PACKAGED = Path(__file__).parents[1] / "deploy"  # in the wheel
TEMPLATES = _PACKAGED if _PACKAGED.exists() else Path(__file__).parents[2] / "deploy"
UNITS = (
    "release-mailer.socket",
    "release-mailer.service",
    "release-mailer-run-due.service",
    "release-mailer-run-due.timer",
    "release-mailer-worker.service",
)
HOMES = ("/home", "/root", "/run/user")  # what systemd's ProtectHome hides

# The option or the setting that each value of a template comes from.
_WHERE = {
    "user": "--user",
    "mailto": "--mailto",
    "upstreams": "--upstream",
    "certificate": "--certificate",
    "certificate_key": "--certificate-key",
    "host": "public_url",
    "path": "public_url",
}
# What needs no quoting in any of these files: no space, quote, %, $, #, ; or brace.
_PLAIN = re.compile(r"[\w./@+,:=~\[\]-]+")
_UPSTREAM = re.compile(r"(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+):([0-9]{1,5})", re.IGNORECASE)
_LARGEST_PORT = 65_535

Command = TypeVar("Command", bound=Callable[..., object])

user_option = click.option(
    "--user", default="mailer", show_default=True, help="The user that the program runs as."
)


def proxy_options(command: Command) -> Command:
    """Options of the files for reverse proxies."""
    for option in (
        json_option,
        click.option("--certificate-key", metavar="FILE", help="Its private key; by default certbot's."),
        click.option("--certificate", metavar="FILE", help="The TLS certificate; by default certbot's."),
    ):
        command = option(command)
    return command


upstreams_option = click.option(
    "--upstream",
    "upstreams",
    multiple=True,
    default=["127.0.0.1:8025"],
    show_default=True,
    metavar="HOST:PORT",
    help="Where `mailer serve` listens; repeat it for several instances.",
)


@click.group()
def deploy() -> None:
    """Print files for systemd, cron and reverse proxies.

    They have values from the settings, and are printed to standard output.

    \b
    Example:
      mailer deploy nginx
    """


@deploy.command()
@user_option
@click.option(
    "--folder",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Write the five files here instead, such as /etc/systemd/system.",
)
@json_option
@click.pass_obj
def systemd(context: CommandContext, user: str, folder: Path | None, as_json: bool) -> None:
    """Print units: socket, service, a timer for run-due, a worker.

    Enable the timer or the worker, not both.

    \b
    Example:
      mailer deploy systemd --folder /etc/systemd/system
    """
    values = _program(context, user) | {"upstreams": ["127.0.0.1:8025"]}
    files = {name: _render(f"systemd/{name}.j2", values) for name in UNITS}
    if folder is None:
        _report(context, files, as_json=as_json)
        return
    for name, text in files.items():
        _write(folder / name, text)
    written = [str(folder / name) for name in files]
    context.report({"written": written}, "\n".join(written), as_json=as_json)


@deploy.command()
@user_option
@click.option(
    "--mailto", default="root", show_default=True, help="Who gets what run-due prints, by mail from cron."
)
@json_option
@click.pass_obj
def cron(context: CommandContext, user: str, mailto: str, as_json: bool) -> None:
    """Print a crontab that sends what is due every five minutes.

    \b
    Example:
      mailer deploy cron --mailto ops@acme.example
    """
    values = _program(context, user) | {"mailto": mailto}
    _report(context, {"crontab": _render("crontab.j2", values)}, as_json=as_json)


@deploy.command()
@upstreams_option
@proxy_options
@click.pass_obj
def nginx(
    context: CommandContext,
    upstreams: tuple[str, ...],
    certificate: str | None,
    certificate_key: str | None,
    as_json: bool,
) -> None:
    """Print server blocks for nginx that keep links out of its logs.

    \b
    Example:
      mailer deploy nginx
      mailer deploy nginx --upstream 127.0.0.1:8025 --upstream 127.0.0.1:8026
    """
    values = _proxy(context, upstreams, certificate, certificate_key)
    _report(context, {"release-mailer.conf": _render("nginx.conf.j2", values)}, as_json=as_json)


@deploy.command()
@upstreams_option
@json_option
@click.pass_obj
def caddy(context: CommandContext, upstreams: tuple[str, ...], as_json: bool) -> None:
    """Print a Caddyfile that keeps links out of Caddy's log. Caddy gets the certificate itself.

    \b
    Example:
      mailer deploy caddy
    """
    values = _proxy(context, upstreams, None, None)
    _report(context, {"Caddyfile": _render("Caddyfile.j2", values)}, as_json=as_json)


@deploy.command()
@click.option(
    "--upstream",
    default="127.0.0.1:8025",
    show_default=True,
    metavar="HOST:PORT",
    help="Where `mailer serve` listens.",
)
@proxy_options
@click.pass_obj
def apache(
    context: CommandContext,
    upstream: str,
    certificate: str | None,
    certificate_key: str | None,
    as_json: bool,
) -> None:
    """Print virtual hosts for Apache that keep links out of its logs.

    \b
    Example:
      mailer deploy apache
    """
    values = _proxy(context, (upstream,), certificate, certificate_key)
    _report(context, {"release-mailer.conf": _render("apache.conf.j2", values)}, as_json=as_json)


def _program(context: CommandContext, user: str) -> dict[str, Any]:
    """The values for units and crontab. Raises ConfigurationError without a settings file."""
    config, settings = context.config_path.absolute(), context.settings
    if not config.exists():
        raise ConfigurationError(
            f"{config} does not exist.",
            hint="Run this in the folder of the settings, or name them with --config.",
        )
    program = Path(sys.executable).with_name("mailer")
    writable = [settings.folder]
    if context.database.is_sqlite and context.database.url.database:
        place = (settings.folder / context.database.url.database).parent
        writable += [] if place.is_relative_to(settings.folder) else [place]
    hidden = any(path.is_relative_to(home) for path in (program, *writable) for home in HOMES)
    return {
        "user": user,
        "folder": settings.folder,
        "command": program if config.name == CONFIG_NAME else f"{program} --config {config}",
        "writable": writable,
        "protect_home": "read-only" if hidden else "yes",
        "stop_seconds": int(settings.drain_seconds) + 30,
    }


def _proxy(
    context: CommandContext, upstreams: tuple[str, ...], certificate: str | None, certificate_key: str | None
) -> dict[str, Any]:
    """The values for a reverse proxy. Raises ConfigurationError if `public_url` is not HTTPS, and InvalidInput."""
    for upstream in upstreams:
        found = _UPSTREAM.fullmatch(upstream)
        if found is None or not 0 < int(found[1]) <= _LARGEST_PORT:
            raise InvalidInput(
                f"{upstream!r} is not a host with a port",
                where="--upstream",
                hint="Write it as 127.0.0.1:8025.",
            )
    url = urlsplit(context.settings.public_url)
    if url.scheme != "https":
        raise ConfigurationError(
            f"public_url is {context.settings.public_url}, which needs no reverse proxy.",
            hint="Set it to the HTTPS address that recipients will see.",
        )
    folder = f"/etc/letsencrypt/live/{url.hostname}"
    return {
        "host": url.hostname,
        "path": url.path,
        "upstreams": upstreams,
        "certificate": certificate or f"{folder}/fullchain.pem",
        "certificate_key": certificate_key or f"{folder}/privkey.pem",
    }


def _render(template: str, values: Mapping[str, Any]) -> str:
    for name, value in values.items():
        for item in value if isinstance(value, list | tuple) else [value]:
            _check(name, str(item))
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - no HTML; `_check` lets nothing through that would need quoting
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(values)


def _check(name: str, value: str) -> None:
    words = value.split(" --config ") if name == "command" else [value]
    if not all(_PLAIN.fullmatch(word) for word in words if word or name != "path"):
        raise InvalidInput(
            f"{value!r} has characters that would need quoting in these files.",
            where=_WHERE.get(name, name),
            hint="Use a name without spaces, quotes and signs such as % and $.",
        )


def _write(path: Path, text: str) -> None:
    try:
        write_output(path, text)
    except OSError as error:
        raise InvalidInput(f"{path} can't be written: {error.strerror}.") from None


def _report(context: CommandContext, files: Mapping[str, str], *, as_json: bool) -> None:
    several = len(files) > 1
    text = "\n".join(f"# {name}\n{content}" if several else content for name, content in files.items())
    context.report({"files": files}, text, as_json=as_json)
