"""The pages that recipients and mail providers reach."""

from __future__ import annotations

from subscribers.web.unsubscribe import COUNTED, UnsubscribeEndpoint

__all__ = ["COUNTED", "UnsubscribeEndpoint"]
