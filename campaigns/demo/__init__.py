"""`mailer demo`: import, send, unsubscribe and send again, on one machine."""

from __future__ import annotations

from campaigns.demo.story import play

__all__ = ["play"]
