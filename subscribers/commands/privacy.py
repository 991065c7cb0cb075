"""Commands about the duties of the controller: disclose, hold, log, notice, register, replay.

The layer above adds audit, breach and purge (`campaigns.commands.privacy`).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from mailer import backup
from mailer.commands import CommandContext, json_option
from mailer.commands.acts import record_leaving
from mailer.errors import Refused
from mailer.operator_log import PeopleConcerned
from mailer.quantity import quantity
from subscribers import rights
from subscribers.commands.disclosures import disclose, show_log
from subscribers.commands.holds import hold
from subscribers.commands.options import file_type, hasher_of
from subscribers.ledger import JOURNAL_NAME, read_journal
from subscribers.rights.notice import find_version, privacy_notice
from subscribers.rights.register import processing_record
from templates.language import LOCALES, Locale


@click.group()
def privacy() -> None:
    """Carry out the duties of a controller under the GDPR.

    \b
    Example:
      mailer privacy breach --since "2026-11-27 18:00" --output breach
      mailer privacy log
    """


privacy.add_command(disclose)
privacy.add_command(hold)
privacy.add_command(show_log)


_locale_option = click.option(
    "--language", type=click.Choice(LOCALES), help="The language; by default that of the settings."
)


@privacy.command()
@_locale_option
@json_option
@click.pass_obj
def register(context: CommandContext, language: Locale | None, as_json: bool) -> None:
    """Print the record of processing activities (article 30).

    It follows from the settings in force: purposes, data, recipients, periods, security. Who is responsible, and the
    companies that process data, are in [privacy].

    \b
    Example:
      mailer privacy register --language nl > register.txt
    """
    record = processing_record(context.settings, language or context.settings.locale)
    context.report(record.values(), record.as_text(), as_json=as_json)


@privacy.command()
@_locale_option
@click.option(
    "--version", type=click.IntRange(1), help="An earlier version; by default what the settings say."
)
@json_option
@click.pass_obj
def notice(context: CommandContext, language: Locale | None, version: int | None, as_json: bool) -> None:
    """Print the privacy notice (articles 13 and 14).

    `mailer serve` shows it at /privacy. A changed setting makes a new version when `mailer serve` starts; all versions
    are kept.

    \b
    Example:
      mailer privacy notice --language nl
      mailer privacy notice --version 1
    """
    locale = language or context.settings.locale
    if version is None:
        document = privacy_notice(context.settings, locale)
    else:
        with context.database.read() as connection:
            document = find_version(connection, version).documents[locale]
    context.report({"version": version} | document.values(), document.as_text(), as_json=as_json)


@privacy.command()
@click.argument("files", nargs=-1, type=file_type)
@click.option("--lost", is_flag=True, help="There is no journal: who left after the backup is mailed again.")
@json_option
@click.pass_obj
def replay(context: CommandContext, files: tuple[Path, ...], lost: bool, as_json: bool) -> None:
    """Apply the leavers' journal to a restored database.

    It repeats the withdrawals, objections, suppressions and erasures after the backup, and suppresses the
    addresses that bounced after it. FILES are the journals, one of each host; the default is the journal beside
    the settings. Repeating the command changes nothing.

    \b
    Example:
      mailer privacy replay
      mailer privacy replay mailer.journal other-host.journal
    """
    own = context.settings.folder / JOURNAL_NAME
    paths = files or ((own,) if own.exists() else ())
    if not paths and not lost:
        raise Refused(
            f"There is no {own}, so nobody knows who left after the backup was taken.",
            hint="Name the journals of all hosts that ran `mailer serve`. Where there are none, --lost goes on without.",
        )
    leavers = [leaver for path in paths for leaver in read_journal(path)]
    with context.database.write() as connection:
        now = context.now()
        done = rights.replay(connection, leavers, hasher=hasher_of(context), now=now)
        backup.mark_replayed(connection, now)
        record_leaving(context, connection, PeopleConcerned(done.withdrawn + done.suppressed + done.erased))
    text = (
        f"{quantity(done.read, 'line')}: {quantity(done.withdrawn, 'consent')} withdrawn, "
        f"{quantity(done.suppressed, 'address', 'addresses')} suppressed, {quantity(done.erased, 'person', 'people')} erased."
    )
    context.report(dataclasses.asdict(done), text, as_json=as_json)
