"""Signed unsubscribe links, and the effects of a click on one.

`preferences` is imported by name: campaigns need the links alone.
"""

from __future__ import annotations

from subscribers.address import mask_email
from subscribers.self_service.links import NO_ADDRESS, InvalidToken, Links, NewerKey, Target
from subscribers.self_service.unsubscribe import (
    UNDO_WITHIN,
    Request,
    Resubscribe,
    Subscription,
    View,
    Withdrawal,
    WithdrawalFromAll,
    apply_requests,
    look_up,
    subscription_of,
)

__all__ = [
    "NO_ADDRESS",
    "UNDO_WITHIN",
    "InvalidToken",
    "Links",
    "NewerKey",
    "Request",
    "Resubscribe",
    "Subscription",
    "Target",
    "View",
    "Withdrawal",
    "WithdrawalFromAll",
    "apply_requests",
    "look_up",
    "mask_email",
    "subscription_of",
]
