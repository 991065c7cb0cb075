"""The pages for recipients, and the one-click endpoint for mail providers."""

from __future__ import annotations

from subscribers.web.ledger_key import ledger_key_route
from subscribers.web.unsubscribe import (
    COUNTED,
    ROBOTS,
    UNKNOWN_LINK,
    UNKNOWN_LINK_STATUS,
    UnsubscribeEndpoint,
)

__all__ = [
    "COUNTED",
    "ROBOTS",
    "UNKNOWN_LINK",
    "UNKNOWN_LINK_STATUS",
    "UnsubscribeEndpoint",
    "ledger_key_route",
]
