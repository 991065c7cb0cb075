"""Signed unsubscribe links, and the effects of a click on one.

`unsubscribe` and `preferences` are imported by name: campaigns need the links alone.
"""

from __future__ import annotations

from subscribers.self_service.links import NO_ADDRESS, InvalidToken, Links, NewerKey, Target

__all__ = [
    "NO_ADDRESS",
    "InvalidToken",
    "Links",
    "NewerKey",
    "Target",
]
