"""`mailer demo`: import, send, unsubscribe and send again, on one machine."""

from __future__ import annotations

from campaigns.demo.cycle import run_cycle

__all__ = ["run_cycle"]
