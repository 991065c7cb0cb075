"""The pages that recipients and mail providers reach."""

from __future__ import annotations

from subscribers.web.unsubscribe import COUNTED, UnsubscribeDoor

__all__ = ["COUNTED", "UnsubscribeDoor"]
