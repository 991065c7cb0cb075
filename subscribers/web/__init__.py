"""The pages that recipients and mail providers reach."""

from __future__ import annotations

from subscribers.web.unsubscribe import (
    COUNTED,
    ROBOTS,
    UNKNOWN_LINK,
    UNKNOWN_LINK_STATUS,
    UnsubscribeEndpoint,
)

__all__ = ["COUNTED", "ROBOTS", "UNKNOWN_LINK", "UNKNOWN_LINK_STATUS", "UnsubscribeEndpoint"]
