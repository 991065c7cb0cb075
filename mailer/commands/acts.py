"""Record in the operator's log what a command does with personal data."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

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


@contextmanager
def recorded_act(context: CommandContext, *, is_leaving: bool = False) -> Iterator[PeopleConcerned]:
    """Record the running command before it begins, and at its end the people that it filled in.

    Raises like `record_act`, unless it lets people leave.
    """
    act_id = None
    try:
        with _refusing(), context.database.write() as connection:
            act_id = operator_log.record(connection, command_name(), PeopleConcerned(), context.now())
    except MailerError:
        if not is_leaving:
            raise
    concerned = PeopleConcerned()
    yield concerned
    if act_id is not None:
        with context.database.write() as connection:
            operator_log.complete(connection, act_id, concerned)


def command_name() -> str:
    """The running command without `mailer` and without its arguments, such as "subscribers show"."""
    return click.get_current_context().command_path.partition(" ")[2]


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
