"""Service mails: single mails about a request that a person has that moment made.

`outbox` has the mails that wait: a row names a pending request, never a text or an address. `letters` writes a
mail when it is sent. `delivery` hands it to a relay, at most once; it is imported by name, for a linter contract
lists who may reach a relay. `background` starts that where a mail waits.
"""

from __future__ import annotations

from subscribers.service_mails.background import send_due, sending
from subscribers.service_mails.outbox import SERVICE_MAIL, enqueue

__all__ = ["SERVICE_MAIL", "enqueue", "send_due", "sending"]
