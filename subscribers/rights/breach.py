"""Whose data a breach concerns, and which: people by language, records by category (GDPR art. 33(3), 34)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, assert_never

from sqlalchemy import ColumnElement, Connection, Select, distinct, exists, func, or_, select

from mailer.config.privacy_settings import PrivacySettings
from subscribers.kinds import Channel, ConsentKind
from subscribers.ledger import EVENT, READ_AHEAD, SUBSCRIBER, WORDING
from subscribers.pending_requests import PENDING_REQUEST as REQUEST
from subscribers.people import Names
from subscribers.tables import SUPPRESSION


class Scope(StrEnum):
    """What could be read by somebody who should not."""

    DATABASE = "database"
    RELAY = "relay"  # mail on its way
    ENDPOINT = "endpoint"  # the pages and the API
    FILE = "file"  # a backup, an export, a list


class Category(StrEnum):
    """A category of personal data."""

    NAMES = "names"
    ADDRESSES = "addresses"
    CONSENTS = "consents"
    MAILS = "mails"  # which, when, with which outcome
    MAIL_CONTENTS = "mail_contents"
    OPT_OUTS = "opt_outs"  # keyed hashes of addresses
    REQUESTS = "requests"  # that wait for a confirmation


_ON_FILE = (
    Category.NAMES,
    Category.ADDRESSES,
    Category.CONSENTS,
    Category.MAILS,
    Category.OPT_OUTS,
    Category.REQUESTS,
)
CATEGORIES = {
    Scope.DATABASE: _ON_FILE,
    Scope.FILE: _ON_FILE,
    Scope.RELAY: (Category.NAMES, Category.ADDRESSES, Category.MAIL_CONTENTS),
    Scope.ENDPOINT: (Category.NAMES, Category.ADDRESSES, Category.CONSENTS, Category.REQUESTS),
}

# Through these an address, and over the API names too, came to the web application.
_ENDPOINT_CHANNELS = (Channel.PAGE, Channel.ONE_CLICK, Channel.SIGN_UP, Channel.API)


@dataclass(frozen=True, slots=True)
class Incident:
    """What is known of a breach: what could be read, in which period, and when that was noticed. All times are aware."""

    scope: Scope
    since: datetime
    until: datetime
    noticed_at: datetime

    def tell_controllers_by(self, settings: PrivacySettings) -> datetime:
        """When the controllers are told at the latest."""
        return self.noticed_at + settings.tell_controllers_within

    def notify_authority_by(self, settings: PrivacySettings) -> datetime:
        """When the authority is notified at the latest (GDPR art. 33(1))."""
        return self.noticed_at + settings.notify_authority_within


class Mailed(NamedTuple):
    """The mails that a breach concerns: a selection of their recipients' ids, and how many mails there are."""

    subscriber_ids: Select[tuple[int]]
    mails: int


class ConcernedPerson(NamedTuple):
    """A person whose data the breach concerns. `language` is that of the text they agreed to; empty if unknown."""

    names: Names
    email: str
    language: str


def concerned_people(
    connection: Connection, incident: Incident, mailed: Mailed
) -> Generator[ConcernedPerson]:
    """The people on file whom the breach concerns, in the order of their ids; then those whose sign-up or new address
    waits for a confirmation. Rows are streamed.
    """
    newest = (
        select(WORDING.c.language)
        .join(EVENT, EVENT.c.wording == WORDING.c.commitment)
        .where(EVENT.c.subscriber_id == SUBSCRIBER.c.id)
        .order_by(EVENT.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    columns = (*Names._fields, "email")
    on_file = select(*(SUBSCRIBER.c[name] for name in columns), func.coalesce(newest, ""))
    on_file = on_file.where(_is_concerned(incident, mailed)).order_by(SUBSCRIBER.c.id)
    statements = [on_file]
    if Category.REQUESTS in CATEGORIES[incident.scope]:
        waiting = select(*(REQUEST.c[name] for name in columns), REQUEST.c.locale)
        in_scope = (REQUEST.c.email != "", _is_requested(incident), ~_is_on_file(REQUEST.c.email))
        statements.append(waiting.where(*in_scope).order_by(REQUEST.c.id))
    for statement in statements:
        with connection.execute(statement.execution_options(yield_per=READ_AHEAD)) as rows:
            for *names, email, language in rows:
                yield ConcernedPerson(Names(*names), email, language)


def count_gone(connection: Connection, incident: Incident, mailed: Mailed) -> int:
    """How many people the breach concerns who are no longer on file: nobody can write to them (art. 34(3)(c))."""
    is_on_file = exists().where(SUBSCRIBER.c.id == EVENT.c.subscriber_id)
    match incident.scope:
        case Scope.DATABASE | Scope.FILE:
            first = EVENT.alias()
            was_on_file = exists().where(
                first.c.subscriber_id == EVENT.c.subscriber_id, first.c.recorded_at < incident.until
            )
            gone = _count_distinct(EVENT.c.subscriber_id).where(
                EVENT.c.kind == ConsentKind.ERASED, EVENT.c.recorded_at >= incident.since, was_on_file
            )
        case Scope.ENDPOINT:
            gone = _count_distinct(EVENT.c.subscriber_id).where(_came_through_endpoint(incident), ~is_on_file)
        case Scope.RELAY:
            recipients = mailed.subscriber_ids.subquery()
            [recipient] = recipients.c
            gone = _count_distinct(recipient).where(~exists().where(SUBSCRIBER.c.id == recipient))
        case _:
            assert_never(incident.scope)
    number: int = connection.execute(gone).scalar_one()
    return number


def count_records(
    connection: Connection, incident: Incident, mailed: Mailed, people: int
) -> dict[Category, int]:
    """How many records of each category the breach concerns; of `people` each has names and an address."""
    counts = dict.fromkeys((Category.NAMES, Category.ADDRESSES), people)
    counts |= dict.fromkeys((Category.MAILS, Category.MAIL_CONTENTS), mailed.mails)
    if Category.CONSENTS in (categories := CATEGORIES[incident.scope]):
        entries = select(func.count()).where(EVENT.c.subscriber_id.is_not(None))
        if incident.scope is Scope.ENDPOINT:
            entries = entries.where(_came_through_endpoint(incident))
        else:
            entries = entries.where(EVENT.c.recorded_at < incident.until)
        counts[Category.CONSENTS] = connection.execute(entries).scalar_one()
    if Category.OPT_OUTS in categories:
        opt_outs = select(func.count()).where(SUPPRESSION.c.since < incident.until)
        counts[Category.OPT_OUTS] = connection.execute(opt_outs).scalar_one()
    if Category.REQUESTS in categories:
        requests = select(func.count()).select_from(REQUEST).where(_is_requested(incident))
        counts[Category.REQUESTS] = connection.execute(requests).scalar_one()
    return {category: counts[category] for category in categories}


def _is_concerned(incident: Incident, mailed: Mailed) -> ColumnElement[bool]:
    match incident.scope:
        case Scope.DATABASE | Scope.FILE:
            return SUBSCRIBER.c.created_at < incident.until
        case Scope.RELAY:
            return SUBSCRIBER.c.id.in_(mailed.subscriber_ids)
        case Scope.ENDPOINT:
            agreed = select(EVENT.c.subscriber_id).where(_came_through_endpoint(incident))
            asked = select(REQUEST.c.subscriber_id).where(_is_requested(incident))
            return or_(SUBSCRIBER.c.id.in_(agreed), SUBSCRIBER.c.id.in_(asked))
        case _:
            assert_never(incident.scope)


def _is_requested(incident: Incident) -> ColumnElement[bool]:
    """A request was made by the end of the period; through the pages, after its beginning."""
    made = REQUEST.c.requested_at <= incident.until
    return made & (REQUEST.c.requested_at >= incident.since) if incident.scope is Scope.ENDPOINT else made


def _is_on_file(email: ColumnElement[str]) -> ColumnElement[bool]:
    return exists().where(SUBSCRIBER.c.email_normalised == func.lower(email))


def _came_through_endpoint(incident: Incident) -> ColumnElement[bool]:
    in_period = EVENT.c.recorded_at.between(incident.since, incident.until)
    return EVENT.c.channel.in_(_ENDPOINT_CHANNELS) & in_period & EVENT.c.subscriber_id.is_not(None)


def _count_distinct(column: ColumnElement[Any]) -> Select[Any]:
    return select(func.count(distinct(column)))
