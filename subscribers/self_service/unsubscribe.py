"""Withdraw a consent by an unsubscribe link, or undo that on the page within an hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import accumulate
from typing import TypeAlias, assert_never

from sqlalchemy import Connection

from mailer.database import savepoint
from subscribers import ledger, suppression
from subscribers.kinds import AGREED, Channel, ConsentKind, SuppressionReason
from subscribers.ledger import DAMAGE_ERRORS, REPEATED_AFTER, ConsentStatus, NewEvent, status_after
from subscribers.self_service.contacts import Contact, find_contacts, leads_to
from subscribers.self_service.links import Target
from subscribers.topic import parse_topic

UNDO_WITHIN = timedelta(hours=1)


class Subscription(Enum):
    """Whether the person is on the list, for the page of a link."""

    ON = auto()
    OFF = auto()


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A request to withdraw, with its channel."""

    target: Target
    channel: Channel


@dataclass(frozen=True, slots=True)
class WithdrawalFromAll:
    """A request to withdraw every consent of the person of `target`."""

    target: Target
    channel: Channel


@dataclass(frozen=True, slots=True)
class Resubscribe:
    """A request to undo the withdrawal in ledger entry `entry_id`. `wording` is the verbatim text on the
    page.
    """

    target: Target
    entry_id: int
    wording: str


_OfOneTopic: TypeAlias = Withdrawal | Resubscribe
Request: TypeAlias = _OfOneTopic | WithdrawalFromAll


@dataclass(frozen=True, slots=True)
class View:
    """The data of a page: whether the person is on the list, the address, and the withdrawal that can be
    undone.

    `email` is None if the address of the link is not on file.
    """

    subscription: Subscription
    email: str | None = None
    undoable_entry_id: int | None = None


@dataclass(frozen=True, slots=True)
class _Applied:
    """An applied request: its subscriber, and the index of its event in the group."""

    request: _OfOneTopic
    contact: Contact | None
    index: int | None


def subscription_of(status: ConsentStatus | None, contact: Contact | None) -> Subscription:
    """Whether the person of a link is on the list."""
    agreed = status is not None and status.state in AGREED
    return Subscription.ON if agreed and contact is not None else Subscription.OFF


def apply_requests(connection: Connection, requests: Sequence[Request], now: datetime) -> list[View]:
    """Apply `requests` in order; returns the data of each page afterwards. Needs a writing transaction.

    A damaged ledger or consent table does not prevent a withdrawal: it is recorded as far as possible.
    """
    try:
        with savepoint(connection):
            return _apply(connection, requests, now)
    except DAMAGE_ERRORS:
        if len(requests) > 1:
            return [view for request in requests for view in apply_requests(connection, [request], now)]
        [request] = requests
        if not isinstance(request, Resubscribe) and _withdraw_from_damaged(connection, request, now):
            return [View(Subscription.OFF)]
        raise


def look_up(connection: Connection, target: Target) -> View:
    """The data of the page of `target`."""
    contact = find_contacts(connection, {target.subscriber_id}).get(target.subscriber_id)
    if not leads_to(target, contact):
        is_off = target.is_nobody or suppression.since_by_hash(connection, target.address.hash) is not None
        return View(Subscription.OFF if is_off else Subscription.ON)
    try:
        status = ledger.statuses(connection, {target.subscriber_id}).get((target.subscriber_id, target.topic))
    except DAMAGE_ERRORS:
        return View(Subscription.ON)  # the button must be there
    return View(subscription_of(status, contact), contact.email if contact else None)


def _apply(connection: Connection, requests: Sequence[Request], now: datetime) -> list[View]:
    ledger.lock(connection)
    ids = {request.target.subscriber_id for request in requests}
    contacts = find_contacts(connection, ids)
    before = ledger.statuses(connection, ids)
    expanded = [_by_topic(request, before) for request in requests]
    views = _apply_each(connection, [one for each in expanded for one in each], contacts, before, now)
    firsts = accumulate(map(len, expanded), initial=0)
    return [views[first] for first, _ in zip(firsts, expanded, strict=False)]


def _by_topic(request: Request, statuses: ledger.Statuses) -> list[_OfOneTopic]:
    """`request` as requests of one topic each, that of its link first."""
    if not isinstance(request, WithdrawalFromAll):
        return [request]
    target = request.target
    named = {topic for subscriber_id, topic in statuses if subscriber_id == target.subscriber_id}
    return [
        Withdrawal(target._replace(topic=parse_topic(topic)), request.channel)
        for topic in (target.topic, *sorted(named - {target.topic}))
    ]


def _apply_each(
    connection: Connection,
    requests: Sequence[_OfOneTopic],
    contacts: Mapping[int, Contact],
    before: ledger.Statuses,
    now: datetime,
) -> list[View]:
    statuses: dict[tuple[int, str], ConsentStatus | None] = {**before}
    events: list[NewEvent] = []
    newest: dict[tuple[int, str], NewEvent] = {}  # of those that this group appends
    index_of_event: list[int | None] = []
    for request in requests:
        target = request.target
        key = target.subscriber_id, target.topic
        contact, status = contacts.get(target.subscriber_id), statuses.get(key)
        event = None
        if leads_to(target, contact):
            event = _event_for(connection, request, status, contact, now, newest=newest.get(key))
        elif isinstance(request, Withdrawal) and not target.is_nobody:
            _suppress(connection, target, request.channel, now)
        if event is not None:
            statuses[key] = status_after(status, event, _provisional_entry_id(events))
            events.append(event)
            newest[key] = event
        index_of_event.append(len(events) - 1 if event is not None else None)
    appended = ledger.append(connection, events, now, before=before)
    return [
        _view(
            connection,
            _Applied(request, contacts.get(request.target.subscriber_id), index),
            appended,
            now,
        )
        for request, index in zip(requests, index_of_event, strict=True)
    ]


def _provisional_entry_id(events: Sequence[NewEvent]) -> int:
    """A negative number for an entry that is not appended yet."""
    return -1 - len(events)


def _event_for(
    connection: Connection,
    request: _OfOneTopic,
    status: ConsentStatus | None,
    contact: Contact | None,
    now: datetime,
    *,
    newest: NewEvent | None,
) -> NewEvent | None:
    """What `request` adds to the ledger; None if it changes nothing, or is not allowed here.

    `newest` is the event that this group appends about the same person and topic, if any.
    """
    target = request.target
    match request:
        case Withdrawal(channel=channel):

            def newest_entry() -> ledger.NewestEntry | None:
                if newest is not None:
                    return ledger.NewestEntry(newest.kind.value, newest.channel.value)
                return ledger.newest_entry(connection, target.subscriber_id, target.topic)

            recorded = ledger.is_to_record(status, newest_entry, channel, now)
            kind, occurred_at, wording = ConsentKind.WITHDRAWN, now, None
        case Resubscribe(entry_id=entry_id):
            recorded = contact is not None and not contact.is_suppressed and status is not None
            recorded = recorded and status.event_id == entry_id and _can_undo(connection, entry_id, now)  # type: ignore[union-attr]
            if not recorded or status is None:
                return None
            # Later than the withdrawal that the page showed, whatever the clocks of two hosts say.
            kind, occurred_at = ConsentKind.GRANTED, max(now, status.since + timedelta(microseconds=1))
            channel = Channel.PAGE
            wording = ledger.store_wording(
                connection, request.wording, now, topic=target.topic, language=target.locale
            )
        case _:
            assert_never(request)
    if not recorded:
        return None
    return NewEvent(target.subscriber_id, target.topic, kind, occurred_at, channel, wording)


def _can_undo(connection: Connection, entry_id: int, now: datetime) -> bool:
    """Whether the entry is a withdrawal on the page within the last hour."""
    entry = ledger.entry(connection, entry_id)
    return (
        entry is not None
        and entry.event.kind is ConsentKind.WITHDRAWN
        and entry.event.channel is Channel.PAGE
        and now <= entry.recorded_at + UNDO_WITHIN
    )


def _view(connection: Connection, applied: _Applied, appended: ledger.Appended, now: datetime) -> View:
    request, contact, index = applied.request, applied.contact, applied.index
    target = request.target
    if contact is None or not leads_to(target, contact):
        return View(Subscription.OFF)
    key = target.subscriber_id, target.topic
    on_page = isinstance(request, Withdrawal) and request.channel is Channel.PAGE
    if index is None and not on_page and not isinstance(request, Resubscribe):
        return View(Subscription.OFF, contact.email)
    status = appended.statuses.get(key) or ledger.statuses(connection, {key[0]}).get(key)
    subscription = subscription_of(status, contact)
    undoable_entry_id = None
    if on_page and status is not None and status.state is ConsentKind.WITHDRAWN and not contact.is_suppressed:
        entry_id = status.event_id if index is None else appended.first_entry_id + index
        undoable_entry_id = entry_id if index is not None or _can_undo(connection, entry_id, now) else None
    return View(subscription, contact.email, undoable_entry_id)


def _suppress(connection: Connection, target: Target, channel: Channel, now: datetime) -> None:
    """Mail nothing more to the address that the link was sent to. It is not, or no longer, this subscriber's.

    Repeats within REPEATED_AFTER are not recorded: a link that is called for ever fills no disk.
    """
    since = suppression.since_by_hash(connection, target.address.hash)
    if since is None or now - since >= REPEATED_AFTER:
        suppression.add(connection, target.address, SuppressionReason.WITHDRAWN, now, now, channel=channel)


def _withdraw_from_damaged(
    connection: Connection, request: Withdrawal | WithdrawalFromAll, now: datetime
) -> bool:
    target, channel = request.target, request.channel
    if target.is_nobody:
        return True
    named: set[str] | None = set()
    if isinstance(request, WithdrawalFromAll):
        named = ledger.named_topics(connection, target.subscriber_id)
    withdrawn = [
        ledger.withdraw_from_damaged(
            connection, NewEvent(target.subscriber_id, topic, ConsentKind.WITHDRAWN, now, channel), now
        )
        for topic in sorted({target.topic, *(named or ())})
    ]
    if named is not None and all(withdrawn):
        return True
    try:
        with connection.begin_nested():
            _suppress(connection, target, request.channel, now)
    except DAMAGE_ERRORS:
        return False
    return True
