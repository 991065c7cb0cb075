"""Change the state of a campaign, with all consequences in the same transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from campaigns import approvals, deliveries, holds
from campaigns.approvals import Approval, ApprovalRule, ApprovalStatus, Approver
from campaigns.campaign import Campaign
from campaigns.lifecycle import Act, allows, next_state
from campaigns.states import CampaignState
from campaigns.tables import campaign as table
from mailer.errors import Refused
from subscribers import audience, ledger

_LEADS_TO_MAIL = frozenset({Act.SEND, Act.SCHEDULE, Act.RESUME, Act.REOPEN})

_CLEARED = ("approved_at", "started_at", "paused_because", "ledger_checkpoint")


def check(campaign: Campaign, act: Act) -> None:
    """Raise Refused if `act` is not allowed. Call it before work that `act` would need."""
    next_state(act, campaign.state, campaign.slug)


def approve(
    connection: Connection,
    campaign: Campaign,
    approver: Approver,
    rule: ApprovalRule,
    now: datetime,
    *,
    content_hash: str | None,
) -> ApprovalStatus:
    """Record the approval of the frozen content with this hash, for the current audience.

    The campaign becomes approved once as many different people approved it as the rule asks for. The operator's log
    gets each approval. Raises Refused where the notes or the content are others than `campaign` and `content_hash` say.
    """
    from mailer.operator_log import PeopleConcerned, record  # noqa: PLC0415 - sending does not need it

    state = _lock(connection, campaign)
    next_state(Act.APPROVE, state, campaign.slug)
    stored = connection.execute(
        select(table.c.notes, table.c.content_hash).where(table.c.id == campaign.id)
    ).one()
    if content_hash is None or (stored.notes, stored.content_hash) != (campaign.notes, content_hash):
        raise Refused(
            f"Campaign {campaign.slug!r} was changed while it was being approved. Nothing was approved.",
            hint=f"Look at it again: `mailer campaigns preview {campaign.slug}`.",
        )
    people = audience.count(connection, campaign.topic)
    approvals.record(connection, campaign.id, Approval(approver, now, people, content_hash))
    record(connection, f"campaigns approve {campaign.slug}", PeopleConcerned(people), now)
    found = approvals.judge(approvals.read(connection, campaign.id), rule, content_hash, waits=True)
    if not found.missing:
        _apply(connection, campaign, Act.APPROVE, state, now)
        connection.execute(update(table).where(table.c.id == campaign.id).values(approved_at=now))
    return found


def change_state(connection: Connection, campaign: Campaign, act: Act, now: datetime) -> CampaignState:
    """Do `act`; returns the new state.

    Raises Refused where the state that the database has now does not allow it, and what leads to mail while a
    restored database is held.
    """
    if act in _LEADS_TO_MAIL:
        holds.refuse(connection)
    return _apply(connection, campaign, act, _lock(connection, campaign), now)


def pause_because(connection: Connection, campaign: Campaign, reason: str, now: datetime) -> None:
    """Pause a campaign that is being sent, and store the reason."""
    state = _lock(connection, campaign)
    if allows(Act.PAUSE, state):
        _apply(connection, campaign, Act.PAUSE, state, now, because=reason)


def finish_if_done(connection: Connection, campaign: Campaign, now: datetime) -> bool:
    """Finish a campaign that is being sent and has no open delivery; returns whether it did."""
    if deliveries.is_open(connection, campaign.id):
        return False
    state = _lock(connection, campaign)
    if not allows(Act.FINISH, state) or deliveries.is_open(connection, campaign.id):
        return False
    _apply(connection, campaign, Act.FINISH, state, now)
    return True


def decide_restored(connection: Connection, campaign: Campaign, now: datetime, *, resend: bool) -> int:
    """Apply the operator's decision about a campaign that a restore held; returns the number of its
    deliveries.

    Open deliveries count as sent, or with `resend` are sent later, uncertain ones too.
    """
    state = _lock(connection, campaign)
    holds.release(connection, campaign.id)
    if resend:
        deliveries.resolve(connection, campaign.id, resend=True, now=now)
        return deliveries.count_claimable(connection, campaign.id)
    resolved = deliveries.assume_sent(connection, campaign.id, now)
    _apply(connection, campaign, Act.ASSUME_SENT, state, now)
    return resolved


def _lock(connection: Connection, campaign: Campaign) -> CampaignState:
    """The state in the database, locked until commit."""
    statement = select(table.c.state).where(table.c.id == campaign.id).with_for_update()
    state: CampaignState = connection.execute(statement).scalar_one()
    return state


def _apply(
    connection: Connection,
    campaign: Campaign,
    act: Act,
    before: CampaignState,
    now: datetime,
    *,
    because: str | None = None,
) -> CampaignState:
    state = next_state(act, before, campaign.slug)
    values: dict[str, object] = {"state": state}
    match act:
        case Act.UNSCHEDULE:
            if campaign.approved_at is not None:
                values["state"] = state = next_state(Act.APPROVE, state, campaign.slug)
        case Act.UPDATE | Act.DELETE:
            _discard_deliveries(connection, campaign)
            approvals.drop(connection, campaign.id)
            values |= dict.fromkeys(_CLEARED)
        case Act.SEND if before is not state:
            values |= {"started_at": now, "paused_because": None}
            values["ledger_checkpoint"] = ledger.signed_checkpoint(connection)
            deliveries.enrol(connection, campaign.id, campaign.topic, now)
        case Act.PAUSE if before is not state:
            values["paused_because"] = because
        case Act.RESUME:
            values["paused_because"] = None
        case Act.FINISH | Act.ASSUME_SENT:
            values |= {"finished_at": now, "paused_because": None}
        case Act.REOPEN if before is not state:
            values["finished_at"] = None
        case Act.CANCEL if before is not state:
            values["finished_at"] = now
            holds.release(connection, campaign.id)
            deliveries.cancel_open(connection, campaign.id, now)
        case _:
            pass
    connection.execute(update(table).where(table.c.id == campaign.id).values(values))
    return state


def _discard_deliveries(connection: Connection, campaign: Campaign) -> None:
    """Delete the deliveries. Raises Refused if one was attempted, because the record of sent mails must
    remain.
    """
    if not deliveries.discard(connection, campaign.id):
        raise Refused(
            f"Campaign {campaign.slug!r} has offered mails to the relay, so its content and its slug stay.",
            hint="Create a new campaign for other notes.",
        )
