"""The steps that the whole look of `mailer run-due` and `mailer worker` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from campaigns.digests import DigestRun, Digests
from campaigns.sending import Dispatch
from campaigns.timing import Missed
from mailer.commands import CommandContext
from mailer.config import KeySource, Settings, key_source
from mailer.database import Database, ProcessKind, beat
from mailer.errors import MailerError, Refused
from mailer.webhooks import Reach
from subscribers.commands.anchoring import anchor_daily
from templates.brand import Brand


def record_beat(context: CommandContext, kind: ProcessKind) -> None:
    """Record that a process of this kind is at work."""
    with context.database.write() as connection:
        beat(connection, kind, context.now())


@dataclass(frozen=True, slots=True)
class Started:
    """What became of the schedules and digests that were due, beside the campaigns that started."""

    digests: Sequence[DigestRun]
    missed: Sequence[Missed]
    refused: Sequence[Refused]

    @property
    def exit_code(self) -> int:
        failed = self.missed or self.refused or any(tick.problem for tick in self.digests)
        return Refused.exit_code if failed else 0


def start_due(context: CommandContext, dispatch: Dispatch, say: Callable[[str], None]) -> Started:
    """Start what is due, and print what was missed or waits; only the run that recorded it prints it.

    `say` gets warnings, refusals and problems: what each run finds again until a person acts.
    """
    dispatch.continuity.require()
    ticks = Digests(context.database, context.settings, context.clock).run_due()
    refused: list[Refused] = []
    missed = dispatch.start_due(refused.append)
    for item in (*(tick for tick in ticks if tick.slug and not tick.problem), *missed):
        context.console.print(str(item), style="yellow", markup=False)
    for message in (*(tick for tick in ticks if tick.problem), *refused):
        say(str(message))
    return Started(ticks, missed, refused)


def anchor_problems(context: CommandContext) -> list[str]:
    """Make the daily anchor; returns why there is none, which keeps no mail from being sent."""
    try:
        anchor_daily(context)
    except MailerError as error:
        return [f"{context.settings.folder}: no anchor of the ledger was made. {error}"]
    return []


def webhook_parts(context: CommandContext) -> tuple[Database, KeySource, Reach]:
    """What calling webhooks needs."""
    allowed = context.settings.webhooks
    return (
        context.database,
        key_source(context.settings),
        Reach(allowed.allow_private, allowed.allow_http),
    )


def service_mail_parts(context: CommandContext) -> tuple[Database, Settings, Callable[[], Brand], KeySource]:
    """What sending service mails needs."""
    settings = context.settings

    def brand() -> Brand:
        from campaigns.rendering import brand_of  # noqa: PLC0415 - slow to import, and mostly no mail waits

        return brand_of(settings)

    return context.database, settings, brand, key_source(settings)
