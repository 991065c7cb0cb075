"""Real mail servers on loopback, each with a private configuration: Postfix, Exim and OpenSMTPD, from Debian.

They take mail and discard it: none has an outgoing queue, a transport to the network or DNS. What they took is counted in
their own logs. `programs.why_not` says what a machine lacks to run one; `make relays` fetches Exim and OpenSMTPD, which
Debian does not install beside Postfix.
"""

from __future__ import annotations

from tests.support.relays.exim import Exim
from tests.support.relays.opensmtpd import OpenSMTPD
from tests.support.relays.postfix import Postfix
from tests.support.relays.server import LOGIN, RealRelay, Rules

__all__ = ["LOGIN", "Exim", "OpenSMTPD", "Postfix", "RealRelay", "Rules"]
