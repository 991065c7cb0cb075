"""mailer privacy purge: delete what has been kept for its period. It joins the group of the layer below."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

import click

from campaigns import deliveries, purge_clock
from campaigns.commands.options import yes_option
from campaigns.purge_clock import COMMAND
from mailer import operator_log, retention
from mailer.access import ended_tokens
from mailer.commands import CommandContext, confirm, json_option
from mailer.database import lock_table
from mailer.operator_log import PeopleConcerned
from mailer.retention import ExpiredRows
from subscribers import account, rights
from subscribers.commands.options import hasher_of
from subscribers.commands.privacy import privacy
from subscribers.rights import holds
from subscribers.rights.retention import FormerPeople, HeldErasures, PeopleWhoLeft, lifted_suppressions
from subscribers.tables import SUBSCRIBER

PURGE_SECONDS = 30.0


@privacy.command()
@click.option("--dry-run", is_flag=True, help="Only say how much has reached its end.")
@yes_option
@json_option
@click.pass_obj
def purge(context: CommandContext, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete what has been kept for its period.

    The periods are in [retention] of the settings. 30 days after a person's last consent ended, their four fields go;
    what proves their consent to anyone who names the address stays five years. Deliveries go 13 months after their
    campaign ended; their numbers and a hash over them stay. People in a campaign that has not ended, and those whom a
    hold concerns, wait.

    `mailer run-due` and `mailer worker` do it once a day. It works while mail is sent and while people unsubscribe.

    Where the last purge is more than 45 days ago it asks whether the clock is right. Until somebody has said so, `run-due` and
    `worker` delete nothing: a clock that is years ahead would have everything deleted that is due by then.

    \b
    Example:
      mailer privacy purge --dry-run
    """
    with context.database.read() as connection:
        doubt = purge_clock.doubt(connection, context.now())
    if dry_run:
        if doubt is not None:
            context.console.print(doubt)
        now = context.now()
        kinds = [*_people(context, now), *_other_kinds(context, now)]
        found = retention.count_expired(context.database, kinds)
        context.report(
            {"dry_run": True, "purged": found, "left": []}, _text(found, "to delete"), as_json=as_json
        )
        return
    if doubt is not None and not yes:
        confirm(f"{doubt} Is it right?", f"{doubt} Nothing was deleted.")
    with context.database.write() as connection:
        act_id = operator_log.record(connection, COMMAND, PeopleConcerned(), context.now())
    deleted, left = _purge(context, act_id)
    for place in left:
        context.console.print(f"Still on disk: {place}", markup=False)
    context.report(
        {"dry_run": False, "purged": deleted, "left": left}, _text(deleted, "deleted"), as_json=as_json
    )


def purge_after(context: CommandContext, last: datetime | None, now: datetime) -> None:
    """Purge for at most PURGE_SECONDS, so that sending goes on, unless another process has since the `last` purge."""
    with context.database.write() as connection:
        lock_table(connection, operator_log.ACT)
        if purge_clock.last_purge(connection) != last:
            return
        act_id = operator_log.record(connection, COMMAND, PeopleConcerned(), now)
    deadline = time.monotonic() + PURGE_SECONDS
    _purge(context, act_id, lambda: time.monotonic() > deadline)


def _purge(
    context: CommandContext, act_id: int, is_over: Callable[[], bool] = lambda: False
) -> tuple[dict[str, int], list[str]]:
    """What was deleted, by kind, and where it may still be on disk."""
    now = context.now()
    deliveries.seal_ended(context.database, now - context.settings.retention.deliveries)
    held, left_people = _people(context, now)
    deleted = retention.purge_expired(
        context.database, [held, left_people, *_other_kinds(context, now)], is_over
    )
    removed = [*held.removed, *left_people.removed]
    left = rights.erase_on_disk(context.database, *removed) if removed else []
    with context.database.write() as connection:
        operator_log.complete(connection, act_id, PeopleConcerned.of([one.id for one in removed]))
    return deleted, left


def _people(context: CommandContext, now: datetime) -> tuple[HeldErasures, PeopleWhoLeft]:
    is_busy = deliveries.is_in_unfinished_campaign(SUBSCRIBER.c.id)
    left = PeopleWhoLeft(now - context.settings.retention.after_leaving, now, is_busy)
    return HeldErasures(hasher_of(context), now), left


def _other_kinds(context: CommandContext, now: datetime) -> Sequence[ExpiredRows]:
    """All other kinds. Ended holds come last: they say who is to be erased."""
    periods = context.settings.retention
    return [
        FormerPeople(now - periods.proof_after_leaving, now),
        deliveries.OldDeliveries(now - periods.deliveries, deliveries.keep_seal),
        *operator_log.expired(now - periods.operator_log, now - periods.disclosures),
        lifted_suppressions(now - periods.lifted_suppressions),
        account.old_answers(now),
        ended_tokens(now - periods.access_tokens),
        deliveries.old_workers(now - periods.workers),
        holds.ended(now),
    ]


def _text(numbers: dict[str, int], what: str) -> str:
    lines = [f"{number:>9,}  {kind.replace('_', ' ')}" for kind, number in numbers.items()]
    return "\n".join([*lines, f"{sum(numbers.values()):>9,}  {what}"])
