"""Ask for the link to one's own data. It goes to the address on file and nowhere else."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from subscribers import pending_requests, service_mails
from subscribers.pending_requests import RequestKind
from subscribers.self_service import Target, preferences
from templates.service_mail import ServiceMailKind

INTERVAL, MOST_A_DAY = timedelta(hours=1), 3


def request_link(connection: Connection, target: Target, now: datetime) -> bool:
    """Let a link be mailed to the person of an unsubscribe link; returns whether one is.

    At most one an hour and three a day. None where the address of the unsubscribe link is no longer on file.
    Needs a writing transaction. Of two requests at once one waits for the other.
    """
    if not preferences.owner_is_on_file(connection, target, lock=True):
        return False
    kind, person_id = RequestKind.OWN_DATA, target.subscriber_id
    earlier = pending_requests.request_times(connection, person_id, kind, now - timedelta(days=1))
    if len(earlier) >= MOST_A_DAY or (earlier and earlier[0] > now - INTERVAL):
        return False
    number = pending_requests.add(connection, kind, target.locale, now, subscriber_id=person_id)
    service_mails.enqueue(connection, ServiceMailKind.OWN_DATA, number, now)
    return True
