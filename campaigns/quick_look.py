"""Look whether `run-due` has anything to do, by one statement and without the tables, which are slow to import.

It errs to one side. `is_idle` says no wherever a whole look might find something to do or to report; and a whole
look is taken at least once an hour, and whenever the ledger has grown. So what this look does not know, such as the
daily purge, comes at most an hour late.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from mailer.plain_database import REVISIONS, VERSION_TABLE, NotPlain, PlainDatabase, plain_database

LOOK_EVERY = timedelta(hours=1)
WHOLE_LOOK = "whole look, ledger entry "
"""The notice of a whole look; the number of the ledger's newest entry follows."""

DUTIES: Mapping[str, str] = {
    "a campaign that is being sent or waits for a person": (
        "SELECT 1 FROM campaign WHERE state IN ('sending', 'paused', 'missed')"
    ),
    "a campaign that is due": (
        "SELECT 1 FROM schedule JOIN campaign ON campaign.id = schedule.campaign_id "
        "WHERE campaign.state = 'scheduled' AND schedule.due_at <= ?"
    ),
    "a worker that may be dead": "SELECT 1 FROM worker WHERE retired_at IS NULL",
    "an uncertain delivery": "SELECT 1 FROM delivery WHERE state = 'uncertain'",
    "a change to tell a webhook": (
        "SELECT 1 FROM webhook_endpoint WHERE parked_at IS NULL "
        "AND cursor < (SELECT max(id) FROM consent_event)"
    ),
    "a service mail": "SELECT 1 FROM service_mail",
    "a restored database": (
        "SELECT 1 FROM restoration WHERE replayed_at IS NULL "
        "UNION ALL SELECT 1 FROM campaign_hold UNION ALL SELECT 1 FROM digest_hold"
    ),
}

# One row where the tables are of this version, there was a whole look, and no duty waits.
_NOTHING = (
    f"SELECT 1 FROM {VERSION_TABLE} WHERE version_num = ? "
    "AND EXISTS (SELECT 1 FROM notice WHERE printed_at > ? AND printed_at <= ? "
    "AND key = CAST(? AS VARCHAR) || (SELECT coalesce(max(id), 0) FROM consent_event)) "
    + " ".join(f"AND NOT EXISTS ({duty})" for duty in DUTIES.values())
)
_DIGESTS = "SELECT cron, zone, (SELECT max(due_at) FROM digest_tick WHERE digest_id = digest.id) FROM digest"
_BEAT = "UPDATE heartbeat SET beats = beats + 1, at = ? WHERE kind = 'run-due' AND host = ? RETURNING 1"


def is_idle(database_url: str, folder: Path) -> bool:
    """Whether `run-due` has nothing to do, and its heartbeat is recorded. False where that can't be found out."""
    try:
        with plain_database(database_url, folder) as database:
            return is_nothing_due(database, now := database.now()) and _beat(database, now)
    except NotPlain:
        return False


def is_nothing_due(database: PlainDatabase, now: datetime) -> bool:
    """Whether nothing waits at `now`."""
    if not database.execute(_NOTHING, REVISIONS[-1], now - LOOK_EVERY, now, WHOLE_LOOK, now):
        return False
    return not any(
        due_at is None or _is_due(cron, zone, database.moment(due_at), now)
        for cron, zone, due_at in database.execute(_DIGESTS)
    )


def _is_due(cron: str, zone: str, last: datetime, now: datetime) -> bool:
    from campaigns.timing.cron import Cadence  # noqa: PLC0415 - mostly there are no digests

    return Cadence(cron, zone).latest(last, now) is not None


def _beat(database: PlainDatabase, now: datetime) -> bool:
    """Record the heartbeat; False where there is none yet on this host."""
    return bool(database.execute(_BEAT, now, socket.gethostname()[:64]))
