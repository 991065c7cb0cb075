"""The `mailer` command, for the product team and for cron. It only assembles the commands of the layers below."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from mailer.errors import (
    OUT_OF_MEMORY_JSON,
    OUT_OF_MEMORY_TEXT,
    MailerError,
    exhausted_limit,
    is_out_of_memory,
    name_that_is_no_text,
    unusable_file,
)
from mailer.lazy_group import LazyGroup
from mailer.output import discard_output, is_json_wanted, tolerate_any_text, write_error
from mailer.quick_end import end_at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from mailer.config import Settings
    from mailer.database import Database
    from mailer.doctor import CheckResult, ExpectedAnswer
    from subscribers.personal_data import PersonalDataHolder

# Name -> (module and attribute of the command, first line of its help), in the order in which a newcomer needs them.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("mailer.commands.init:init", "Create the settings, the secrets and the database."),
    "demo": ("campaigns.commands.demo:demo", "Show the whole cycle on this machine."),
    "doctor": ("mailer.commands.doctor:doctor", "Check settings, secrets, database, relay and DNS."),
    "subscribers": (
        "subscribers.commands.people:subscribers",
        "Manage subscribers: import, sync, list, show, rectify, erase, export.",
    ),
    "consent": ("subscribers.commands.consent:consent", "Record, withdraw, show, prove and verify consent."),
    "webhooks": ("subscribers.commands.webhooks:webhooks", "Send each change to a consent to other systems."),
    "campaigns": (
        "campaigns.commands.options:campaigns",
        "Create, check, approve, schedule, send and follow campaigns.",
    ),
    "deliveries": (
        "campaigns.commands.deliveries:deliveries_group",
        "Manage single deliveries: list, resolve, skip.",
    ),
    "digests": (
        "campaigns.commands.digests:digests",
        "Manage digests of a changelog: create, list, run, delete, resolve.",
    ),
    "archive": (
        "campaigns.commands.archive:archive",
        "Publish the archive of release notes: export.",
    ),
    "themes": (
        "campaigns.commands.themes:themes",
        "Show the themes of mails, and copy one to change it: list, show, eject.",
    ),
    "run-due": ("campaigns.commands.run_due:run_due", "Send what is due and stop; for cron."),
    "status": (
        "campaigns.commands.overview:status_of_all",
        "Show what is at work, what is being sent, and what needs attention.",
    ),
    "worker": ("campaigns.commands.worker:worker", "Send what is due, until it is stopped."),
    "serve": ("mailer.commands.serve:serve", "Serve the pages for recipients and the API."),
    "backup": ("mailer.commands.backup:backup", "Back up the database while it is used."),
    "restore": ("campaigns.commands.restore:restore", "Put a backup in place, and hold its campaigns."),
    "upgrade": ("mailer.commands.upgrade:upgrade", "Bring the database to this version."),
    "privacy": (
        "campaigns.commands.privacy:privacy",
        "Carry out the duties of a controller under the GDPR.",
    ),
    "deploy": ("mailer.commands.deploy:deploy", "Print files for systemd, cron and reverse proxies."),
    "schema": (
        "campaigns.commands.schema:schema",
        "Print the JSON schema of the settings, or of the front matter of notes.",
    ),
    "keys": ("mailer.commands.keys:keys", "Create and rotate secret keys, DKIM keys and access tokens."),
}

WEB_APPLICATION = "web:create_app"


class Commands(LazyGroup):
    """All commands, with the first line of each one's help, so that `mailer --help` and completion are fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=Commands, places={name: place for name, (place, _) in COMMANDS.items()})
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="MAILER_CONFIG",
    show_envvar=True,
    help="The settings file; by default mailer.toml in the working directory or the nearest folder above it.",
)
@click.version_option(package_name="release-mailer", prog_name="mailer")
@click.pass_context
def mailer(context: click.Context, config: Path | None) -> None:
    """Mail release notes, only to people who consented.

    \b
    Example:
      mailer init --sender "Acme <news@acme.example>"
      mailer campaigns create notes.md
      mailer campaigns send notes
    """
    # Imported here, because settings and database are slow to import and `--help` needs neither.
    from mailer.commands import CommandContext  # noqa: PLC0415

    context.obj = CommandContext(
        config,
        web_application=WEB_APPLICATION,
        unknown_link_answer=unknown_link_answer,
        keep_outside_files=keep_outside_files,
        find_problems=find_problems,
    )
    context.call_on_close(context.obj.close)
    if not gc.isenabled():  # `main` turned it off
        gc.freeze()
        gc.enable()


def unknown_link_answer() -> ExpectedAnswer:
    """The web application's answer to an unsubscribe link with an invalid signature."""
    from mailer.doctor import ExpectedAnswer  # noqa: PLC0415 - as above
    from subscribers.web import ROBOTS, UNKNOWN_LINK, UNKNOWN_LINK_STATUS  # noqa: PLC0415

    return ExpectedAnswer(UNKNOWN_LINK, UNKNOWN_LINK_STATUS, ROBOTS)


def find_problems(settings: Settings, database: Database) -> list[CheckResult]:
    """What needs attention in the theme, the archive and the database, as findings of `mailer doctor`.

    Nothing of a database that can't be read.
    """
    from campaigns.approvals import ApprovalRule  # noqa: PLC0415 - as above
    from campaigns.archive.checks import archive_findings  # noqa: PLC0415
    from campaigns.reports.overview import ProblemSeverity, overview  # noqa: PLC0415
    from campaigns.unusable_settings import unusable_settings  # noqa: PLC0415
    from mailer.doctor import CheckLevel, CheckResult  # noqa: PLC0415

    unusable = list(unusable_settings(settings))
    levels = {
        ProblemSeverity.FAILURE: CheckLevel.FAIL,
        ProblemSeverity.WARNING: CheckLevel.WARN,
    }
    try:
        now = database.clock()()
        with database.read() as connection:
            found = overview(connection, now, settings.tz, ApprovalRule.of(settings))
            failing = _webhook_findings(connection, settings)
            archive = list(archive_findings(connection, settings))
    except MailerError:
        return unusable  # the check of the database says why
    attention = [
        CheckResult("attention", levels[one.severity], one.message.rstrip("."), one.next_step)
        for one in found.problems
    ]
    waiting = [*attention, *failing]
    return [
        *unusable,
        *archive,
        *(waiting or [CheckResult("attention", CheckLevel.OK, "nothing waits for a person")]),
    ]


def keep_outside_files(settings: Settings, database: Database) -> Callable[[], None]:
    """Let the ledger of `database` keep its files beside the settings, and access and erasure find all holders of
    personal data; returns what finishes the files.
    """
    from subscribers.ledger import OutsideFiles  # noqa: PLC0415 - as above
    from subscribers.personal_data import PersonalDataHolders  # noqa: PLC0415

    database.attach(PersonalDataHolders(_holders))
    return OutsideFiles(database, settings).close


def _holders() -> Sequence[PersonalDataHolder]:
    from campaigns.personal_data import holders  # noqa: PLC0415 - as above

    return holders()


def _webhook_findings(connection: Connection, settings: Settings) -> list[CheckResult]:
    """The webhooks that fail or are parked, and those whose company [privacy] does not name."""
    from mailer.doctor import CheckLevel, CheckResult, processors  # noqa: PLC0415 - as above
    from subscribers import webhooks  # noqa: PLC0415

    endpoints = webhooks.list_all(connection)
    hosts = {urlsplit(each.url).hostname or "": f"webhook {each.id}" for each in endpoints}
    failing = [
        CheckResult(
            "webhooks",
            CheckLevel.FAIL if each.parked_at else CheckLevel.WARN,
            f"{each.id} is parked: {each.last_answer}"
            if each.parked_at
            else f"{each.id} fails since {each.failing_since:%Y-%m-%d %H:%M} UTC: {each.last_answer}",
            f"Mend the receiver, then run `mailer webhooks resume {each.id}`. Nothing is lost.",
        )
        for each in endpoints
        if each.parked_at or each.failing_since
    ]
    return [*failing, *processors(settings, hosts)]


def command() -> None:
    """The console command: `main`, and a quick end."""
    try:
        main()
    except SystemExit as end:
        end_at_once(end.code)
        raise


def main() -> None:
    """Run the command line; ends with SystemExit. A MailerError becomes a message on stderr and an exit code.

    With `--json` every error also becomes one JSON object on stdout: its message, its hint and its exit code.
    """
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # it reads the metadata of every package to find them
    gc.disable()  # until all is imported: walking it again and again takes a sixth of a command's start
    tolerate_any_text()
    as_json = is_json_wanted()
    try:
        code = _run(as_json=as_json)
    except (MemoryError, SystemError, ImportError) as error:
        if not is_out_of_memory(error):
            raise
        # Not even the message could be made. So nothing is made any more.
        os.write(2, OUT_OF_MEMORY_TEXT)
        if as_json:
            os.write(1, OUT_OF_MEMORY_JSON)
        os._exit(1)
    sys.exit(code)


def _run(*, as_json: bool) -> int:
    """Run the command; its exit code."""
    try:
        code = mailer(prog_name="mailer", standalone_mode=not as_json)
    except MailerError as error:
        click.echo(f"Error: {error}", err=True)
        code = error.exit_code
        _report_error(error.message, error.hint, code, as_json=as_json)
    except BrokenPipeError:  # of standard output; as click does without --json
        discard_output()
        code = 1
    except (MemoryError, OSError, ImportError, RuntimeError, SystemError, UnicodeEncodeError) as error:
        known = exhausted_limit(error) or name_that_is_no_text(error) or unusable_file(error)
        if known is None:
            raise
        click.echo(f"Error: {known}", err=True)
        code = known.exit_code
        _report_error(known.message, known.hint, code, as_json=as_json)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
        _report_error(error.format_message(), None, code, as_json=as_json)
    except click.Abort:
        click.echo("Aborted!", err=True)
        code = 1
        _report_error("Aborted.", None, code, as_json=as_json)
    return code if isinstance(code, int) else 0


def _report_error(message: str, hint: str | None, code: int, *, as_json: bool) -> None:
    if as_json:
        write_error(message, hint, code)
