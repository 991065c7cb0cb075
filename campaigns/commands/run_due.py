"""mailer run-due. It imports what sends only where its quick look finds something to do."""

from __future__ import annotations

import click

from campaigns.quick_look import is_idle
from mailer.commands import CommandContext, json_option, processes_option

NOTHING: dict[str, object] = {"campaigns": [], "missed": [], "refused": [], "digests": []}
"""What `--json` reports where nothing is due."""


@click.command("run-due")
@processes_option
@json_option
@click.pass_obj
def run_due(context: CommandContext, processes: int, as_json: bool) -> None:
    """Send what is due and stop; for cron.

    Makes the digests and starts the scheduled campaigns that are due, tries deferred mails again, and
    continues what a dead run left. Several at once share the work. Prints nothing when there is nothing to
    do, or when another run is sending the rest; missed campaigns, and those that wait for approval, are
    printed once. What needs a person, such as uncertain mails, a paused campaign or one that can't be
    started, is printed again each hour; a relay that is away, once.

    \b
    Example:
      */5 * * * *  cd /srv/mailer && /opt/release-mailer/.venv/bin/mailer run-due
    """
    settings = context.settings
    if is_idle(settings.database_url.reveal(), settings.folder):
        if as_json:
            context.report(NOTHING, "", as_json=True)
        return
    from campaigns.commands.due import send_due  # noqa: PLC0415 - see above

    send_due(context, processes, as_json=as_json)
