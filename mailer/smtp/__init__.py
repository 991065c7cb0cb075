"""Hand mail to SMTP relays: connections, pools, several relays, and what a relay's replies mean.

`transaction`, `replies` and `sasl` are the protocol without I/O. `pipeline`, `handshake` and `login` are its
transport. `oauth2` fetches tokens for a login. `failure` says why there is no connection. `concurrency` says how many
connections a relay gets, `breaker` and `pauses` when it is left alone. `pool` holds the connections of one relay, and
`relays` chooses among several. Import those two by name: a linter contract lists their importers.
"""

from __future__ import annotations

from mailer.smtp.failure import ConnectionFailed, ConnectionRefused
from mailer.smtp.handshake import connect
from mailer.smtp.outcome import (
    Accepted,
    Deferred,
    FailureScope,
    Outcome,
    Phase,
    Rejected,
    Uncertain,
    may_mean_everybody,
    says_busy,
    says_no_such_address,
)
from mailer.smtp.transaction import Capabilities, Envelope

__all__ = [
    "Accepted",
    "Capabilities",
    "ConnectionFailed",
    "ConnectionRefused",
    "Deferred",
    "Envelope",
    "FailureScope",
    "Outcome",
    "Phase",
    "Rejected",
    "Uncertain",
    "connect",
    "may_mean_everybody",
    "says_busy",
    "says_no_such_address",
]
