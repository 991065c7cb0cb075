"""mailer doctor: check everything that sending mail requires."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
from collections.abc import Iterator

import click

from mailer import doctor as checks
from mailer.commands.context import CommandContext
from mailer.commands.options import json_option
from mailer.config.processors import data_hosts
from mailer.doctor import dns
from mailer.errors import ConfigurationError, MailerError

_COLOURS = {checks.CheckLevel.OK: "green", checks.CheckLevel.WARN: "yellow", checks.CheckLevel.FAIL: "red"}


@click.command()
@click.option("--offline", is_flag=True, help="Leave out what needs the network: relay, DNS, public address.")
@json_option
@click.pass_obj
def doctor(context: CommandContext, offline: bool, as_json: bool) -> None:
    """Check settings, secrets, database, relay and DNS.

    Each line is ok, warn or fail, with what to do about it. Ends with 1 if anything fails. Sends no mail.

    \b
    Example:
      mailer doctor
    """
    findings = list(_findings(context, offline=offline))
    failed = any(finding.level is checks.CheckLevel.FAIL for finding in findings)
    values = {"healthy": not failed, "findings": [dataclasses.asdict(finding) for finding in findings]}
    in_colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    lines = [_line(finding, in_colour=in_colour) for finding in findings]
    context.report(values, "\n".join(lines), as_json=as_json)
    if failed:
        raise click.exceptions.Exit(MailerError.exit_code)


def _findings(context: CommandContext, *, offline: bool) -> Iterator[checks.CheckResult]:
    try:
        settings = context.settings
        base = context.database
    except ConfigurationError as error:
        yield checks.failure("settings", error)
        return
    yield checks.CheckResult("settings", checks.CheckLevel.OK, str(context.config_path))
    yield from checks.secrets(settings, context.config_path)
    yield from checks.database(base)
    yield from checks.signing_key(settings, base)
    if (signed := checks.signed_ledger(settings, base)) is not None:
        yield signed
    yield from context.find_problems(settings, base)
    yield from checks.contact(settings)
    yield from checks.processors(settings, data_hosts(settings))
    yield from checks.sender(settings, None if offline else dns.txt_records)
    if not offline:
        for name in settings.every_relay:
            yield asyncio.run(checks.relay(settings, name))
        yield checks.public_address(settings, context.unknown_link_answer())


def _line(finding: checks.CheckResult, *, in_colour: bool) -> str:
    level = f"{finding.level:<5}"
    if in_colour:
        level = click.style(level, fg=_COLOURS[finding.level], bold=finding.level is checks.CheckLevel.FAIL)
    hint = "".join(f"\n{'':18}{line.strip()}" for line in (finding.hint or "").splitlines())
    return f"{level} {finding.check:<11} {finding.message}{hint}"
