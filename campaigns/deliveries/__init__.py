"""The statements that change the state of deliveries. A delivery is one campaign to one subscriber.

    pending -> claimed -> attempting -> accepted | deferred (claimable again when due) | rejected | uncertain
                      `-> withheld      (consent is gone: the gate did not let it through)

A claim belongs to one worker; only the worker that holds a delivery writes to it. `gate` is the only way to an
attempt. `held_back` has the deliveries that limits hold back, `workers` the leases, `recovery` the deliveries of dead
workers. `evidence` keeps what shows on which consent each delivery rests; `retention` deletes old deliveries and
keeps their numbers.
"""

from __future__ import annotations

from campaigns.deliveries.cancellation import cancel_leftovers, cancel_open, discard
from campaigns.deliveries.claims import (
    ClaimContext,
    claim,
    count_claimable,
    enrol,
    has_due,
    is_being_sent,
    is_open,
)
from campaigns.deliveries.evidence import keep_seal, seal_ended
from campaigns.deliveries.gate import (
    Answer,
    Attempt,
    Halted,
    Withheld,
    attempt,
    attempts_of,
    gate_step,
    settle_and_gate,
)
from campaigns.deliveries.mailed import count_mails, mailed_between
from campaigns.deliveries.personal_data import DeliveryHolder
from campaigns.deliveries.retention import (
    OldDeliveries,
    is_in_unfinished_campaign,
    old_workers,
)
from campaigns.deliveries.retry import Settlement, next_attempt, settlement_for
from campaigns.deliveries.settlement import (
    address_hashes,
    assume_sent,
    resolve,
    return_to_claimed,
    settle,
    settle_together,
    skip,
    take_back_rejected,
)
from campaigns.deliveries.tables import CLAIMABLE, HELD, UNCERTAIN, subscriber
from campaigns.tables import campaign, delivery

__all__ = [
    "CLAIMABLE",
    "HELD",
    "UNCERTAIN",
    "Answer",
    "Attempt",
    "ClaimContext",
    "DeliveryHolder",
    "Halted",
    "OldDeliveries",
    "Settlement",
    "Withheld",
    "address_hashes",
    "assume_sent",
    "attempt",
    "attempts_of",
    "campaign",
    "cancel_leftovers",
    "cancel_open",
    "claim",
    "count_claimable",
    "count_mails",
    "delivery",
    "discard",
    "enrol",
    "gate_step",
    "has_due",
    "is_being_sent",
    "is_in_unfinished_campaign",
    "is_open",
    "keep_seal",
    "mailed_between",
    "next_attempt",
    "old_workers",
    "resolve",
    "return_to_claimed",
    "seal_ended",
    "settle",
    "settle_and_gate",
    "settle_together",
    "settlement_for",
    "skip",
    "subscriber",
    "take_back_rejected",
]
