"""What recipients do by themselves: signed links, and what a click on one does."""

from __future__ import annotations

from subscribers.self_service.links import InvalidToken, Links, Target
from subscribers.self_service.unsubscribe import (
    Request,
    Resubscribe,
    Subscription,
    View,
    Withdrawal,
    event_for,
    look_up,
    mask_email,
    settle,
    subscription_of,
)

__all__ = [
    "InvalidToken",
    "Links",
    "Request",
    "Resubscribe",
    "Subscription",
    "Target",
    "View",
    "Withdrawal",
    "event_for",
    "look_up",
    "mask_email",
    "settle",
    "subscription_of",
]
