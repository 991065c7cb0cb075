"""Door 1: the `mailer` command, for the product team and for cron. Assembles the command groups, nothing else."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.errors import MailerError

if TYPE_CHECKING:
    from mailer.doctor import ExpectedAnswer

# name -> (where its command lives, the first line of its help); in the order in which a newcomer meets them.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("mailer.commands.init:init", "Make the settings, the secrets and the database."),
    "demo": ("campaigns.commands:demo", "Play the whole story on this machine."),
    "doctor": ("mailer.commands.doctor:doctor", "Check settings, secrets, database, relay and DNS."),
    "subscribers": (
        "subscribers.commands:subscribers",
        "People on file: import, list, show, rectify, erase, export.",
    ),
    "consent": ("subscribers.commands:consent", "Who agreed to what, and the proof of it."),
    "campaigns": ("campaigns.commands:campaigns", "Release notes: create, look, approve, send, follow."),
    "deliveries": ("campaigns.commands:deliveries_group", "One campaign to one person: list, resolve, skip."),
    "digests": ("campaigns.commands:digests", "Recurring digests of a changelog: create, list, run, delete."),
    "run-due": ("campaigns.commands:run_due", "Send what is due; for cron."),
    "worker": ("campaigns.commands:worker", "Send what is due, for as long as it runs."),
    "serve": ("mailer.commands.serve:serve", "Serve the unsubscribe pages."),
    "keys": ("mailer.commands.keys:keys", "Secret keys and DKIM keys."),
}


WEB_APPLICATION = "web:create_app"


class LazyGroup(click.Group):
    """Lists its commands without importing them: `mailer --help` and shell completion stay instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=LazyGroup)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="MAILER_CONFIG",
    show_envvar=True,
    help="The settings file; without it, mailer.toml in the working directory.",
)
@click.version_option(package_name="release-mailer", prog_name="mailer")
@click.pass_context
def mailer(context: click.Context, config: Path | None) -> None:
    """Release notes by email, only to people who said yes.

    \b
    Example:
      mailer init --sender "Acme <news@acme.example>"
      mailer campaigns create notes.md
      mailer campaigns send notes
    """
    from mailer.commands import CommandContext  # noqa: PLC0415 - settings and database are slow to import, --help needs neither

    context.obj = CommandContext(
        config, web_application=WEB_APPLICATION, unknown_link_answer=unknown_link_answer
    )
    context.call_on_close(context.obj.close)


def unknown_link_answer() -> ExpectedAnswer:
    """What the web application answers to an unsubscribe link that is not ours."""
    from mailer.doctor import ExpectedAnswer  # noqa: PLC0415 - as above
    from subscribers.web import ROBOTS, UNKNOWN_LINK, UNKNOWN_LINK_STATUS  # noqa: PLC0415

    return ExpectedAnswer(UNKNOWN_LINK, UNKNOWN_LINK_STATUS, ROBOTS)


def main() -> None:
    """The console command. An error of ours becomes its message and its exit code, never a traceback."""
    try:
        mailer(prog_name="mailer")
    except MailerError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
