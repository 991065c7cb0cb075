"""Sign outgoing webhooks (Standard Webhooks), and post them to permitted addresses only.

`destination` checks the address, `signing` signs the call, `caller` makes it. `caller` imports httpx, which is
slow; import it by name where a call is made.
"""

from __future__ import annotations

from mailer.webhooks.destination import Reach, parse_destination
from mailer.webhooks.signing import derive_secret, signed_headers

__all__ = ["Reach", "derive_secret", "parse_destination", "signed_headers"]
