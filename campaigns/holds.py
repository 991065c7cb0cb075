"""A restored database mails nobody by itself: its campaigns and digests are held until the operator has decided.

A backup does not know what was sent after it. So each campaign that was not over, and each digest, is held; so is all
sending until the people who left since have been applied from the leavers' journal.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, delete, exists, insert, literal, select, update

from campaigns.deliveries import campaign, recovery, workers
from campaigns.states import CampaignState
from campaigns.tables import campaign_hold, digest, digest_hold
from mailer import backup
from mailer.backup import HEAD_NAME
from mailer.config import Settings
from mailer.database import Clock, Database, ProcessKind, beat
from mailer.errors import Refused
from subscribers.ledger import HeadFile

OLDER = "it is older than mailer.head says"
_OVER = (CampaignState.FINISHED, CampaignState.CANCELLED)
_MAX_NAMED = 20


class Continuity:
    """Watches whether the database goes back: compares it with the head file, and keeps that up to date."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._head = HeadFile(database, settings.beside(HEAD_NAME))

    def require(self) -> None:
        """Raise Refused while the database is held, and hold it where it is older than it was."""
        with self._database.read() as connection:
            is_older, refusal = self._head.is_ahead(connection), problem(connection)
            if not is_older:
                self._head.remember(connection)
        if is_older:
            with self._database.write() as connection:
                hold(connection, OLDER, self._clock())
                refusal = problem(connection)
            self._head.rebase()
        if refusal is not None:
            raise refusal

    def beat(self, *, is_last: bool = False) -> None:
        """Count a second in which mail was sent, and remember it. Call it each second while mail is sent, and after."""
        with self._database.write() as connection:
            beat(connection, ProcessKind.SEND, self._clock())
        self._head.note(at_once=is_last)

    def rebase(self) -> None:
        """Take the database as it is now for its newest state."""
        self._head.rebase()


def hold(connection: Connection, reason: str, now: datetime) -> None:
    """Hold every campaign that is not over and every digest, and retire all workers. `reason` completes "held:"."""
    backup.record(connection, reason, now)
    recovery.retire(connection, workers.unretired(connection), now)
    connection.execute(
        update(campaign)
        .where(campaign.c.state == CampaignState.SENDING)
        .values(state=CampaignState.PAUSED, paused_because="The database was restored.")
    )
    connection.execute(delete(campaign_hold))
    connection.execute(delete(digest_hold))
    held_at = literal(now, campaign_hold.c.held_at.type)
    open_campaigns = select(campaign.c.id, held_at).where(campaign.c.state.not_in(_OVER))
    connection.execute(insert(campaign_hold).from_select(["campaign_id", "held_at"], open_campaigns))
    connection.execute(
        insert(digest_hold).from_select(["digest_id", "held_at"], select(digest.c.id, held_at))
    )
    beat(connection, ProcessKind.SEND, now)  # so that the same backup, put back again, is older again


def hold_for(reason: str, now: datetime) -> Callable[[Connection], None]:
    """`hold` with its reason and time, to be called with a connection."""
    return lambda connection: hold(connection, reason, now)


def is_held(connection: Connection, campaign_id: int) -> bool:
    """Whether the operator has yet to decide about this campaign."""
    held = select(campaign_hold.c.campaign_id).where(campaign_hold.c.campaign_id == campaign_id)
    return bool(connection.execute(select(exists(held))).scalar())


def release(connection: Connection, campaign_id: int) -> None:
    """The operator has decided about a campaign."""
    connection.execute(delete(campaign_hold).where(campaign_hold.c.campaign_id == campaign_id))


def release_digest(connection: Connection, digest_id: int) -> bool:
    """The operator has decided about a digest; whether it was held."""
    held = delete(digest_hold).where(digest_hold.c.digest_id == digest_id)
    return connection.execute(held).rowcount > 0


def held_slugs(connection: Connection) -> list[str]:
    """The campaigns that wait for a decision, oldest first."""
    held = select(campaign.c.slug).join(campaign_hold, campaign_hold.c.campaign_id == campaign.c.id)
    return list(connection.execute(held.order_by(campaign.c.id)).scalars())


def held_digests(connection: Connection) -> list[str]:
    """The digests that wait for a decision, by name."""
    held = select(digest.c.name).join(digest_hold, digest_hold.c.digest_id == digest.c.id)
    return list(connection.execute(held.order_by(digest.c.name)).scalars())


def problem(connection: Connection) -> Refused | None:
    """Why nothing may be sent, with the commands that lead on; None where nothing is held."""
    steps = ["mailer privacy replay"] if backup.awaits_replay(connection) else []
    steps += [
        f"mailer deliveries resolve {slug} --assume-sent, or --resend" for slug in held_slugs(connection)
    ]
    steps += [
        f"mailer digests resolve {name} --assume-sent, or --resend" for name in held_digests(connection)
    ]
    if not steps:
        return None
    named = steps[:_MAX_NAMED] + (["and so on"] if len(steps) > _MAX_NAMED else [])
    return Refused(
        f"Nothing is sent, because the database was restored: {backup.newest_reason(connection)}.",
        hint="It does not know what was sent, or who left, since. Next:\n"
        + "\n".join(f"  {step}" for step in named),
    )


def refuse(connection: Connection) -> None:
    """Raise Refused while anything is held."""
    if (found := problem(connection)) is not None:
        raise found
