"""Record in the operator's log what a command does with personal data."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass

import click
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from mailer import operator_log
from mailer.commands.context import CommandContext
from mailer.errors import MailerError, TryAgainLater
from mailer.operator_log import Disclosure, PeopleConcerned


def record_act(
    context: CommandContext,
    people: Collection[int] | PeopleConcerned,
    *,
    connection: Connection | None = None,
    disclosure: Disclosure | None = None,
) -> None:
    """Record the running command, with the people that it concerns.

    A command that gives out data calls it before its output; one that changes data gives the `connection` of the
    change. Raises MailerError or TryAgainLater where it can't be recorded: then nothing must be given out.
    """
    concerned = people if isinstance(people, PeopleConcerned) else PeopleConcerned.of(people)
    if connection is not None:
        operator_log.record(connection, command_name(), concerned, context.now(), disclosure)
        return
    with _refusing(), context.database.write() as own:
        operator_log.record(own, command_name(), concerned, context.now(), disclosure)


def record_leaving(
    context: CommandContext, connection: Connection, people: Collection[int] | PeopleConcerned
) -> None:
    """Record a command by which somebody leaves. A log that can't be written never stands in its way."""
    with suppress(DBAPIError), connection.begin_nested():
        record_act(context, people, connection=connection)


@dataclass(slots=True)
class RecordedAct(PeopleConcerned):
    """The people whom the running command concerns, to be filled in, and whether the log has the whole of it."""

    is_recorded: bool = True


@contextmanager
def recorded_act(context: CommandContext, *, is_required: bool = True) -> Iterator[RecordedAct]:
    """Record the running command before it begins, and at its end the people that it filled in.

    Raises like `record_act`. Where the record is not required, the command goes on without it and says so: people can
    leave and a backup can be made also where the database takes no writes.
    """
    act, act_id = RecordedAct(), None
    begun = _refusing() if is_required else _going_on(context, act, "does not have this command")
    with begun, context.database.write() as connection:
        act_id = operator_log.record(connection, command_name(), PeopleConcerned(), context.now())
    yield act
    if act_id is not None:
        ended = nullcontext() if is_required else _going_on(context, act, "has this command as broken off")
        with ended, context.database.write() as connection:
            operator_log.complete(connection, act_id, act)


def command_name() -> str:
    """The running command without `mailer` and without its arguments, such as "subscribers show"."""
    return click.get_current_context().command_path.partition(" ")[2]


@contextmanager
def _going_on(context: CommandContext, act: RecordedAct, shows: str) -> Iterator[None]:
    try:
        yield
    except MailerError as error:
        act.is_recorded = False
        context.console.print(f"The operator's log can't be written and {shows}: {error.message}")


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except MailerError as error:
        kind = TryAgainLater if isinstance(error, TryAgainLater) else MailerError
        raise kind(
            f"Personal data are not given out unless it is recorded, and the operator's log can't be written: {error.message}",
            hint=error.hint,
        ) from None
