"""Outgoing webhooks: signed as Standard Webhooks asks, and posted without being led to a place of the receiver's choice.

`destination` says where a call may go, `signing` signs it, `post` makes it. What it says is the caller's matter.
`post` imports httpx, which is slow; it is imported by name where a call is made.
"""

from __future__ import annotations

from mailer.webhooks.destination import Destination, Reach, parse_destination
from mailer.webhooks.signing import derive_secret, signed_headers

__all__ = ["Destination", "Reach", "derive_secret", "parse_destination", "signed_headers"]
