"""What recipients do by themselves: signed links, and what a click on one does."""

from __future__ import annotations

from subscribers.self_service.links import InvalidToken, Links, Target
from subscribers.self_service.unsubscribe import (
    Listing,
    Request,
    Undo,
    View,
    Withdrawal,
    event_for,
    listing_of,
    look_up,
    masked,
    settle,
)

__all__ = [
    "InvalidToken",
    "Links",
    "Listing",
    "Request",
    "Target",
    "Undo",
    "View",
    "Withdrawal",
    "event_for",
    "listing_of",
    "look_up",
    "masked",
    "settle",
]
