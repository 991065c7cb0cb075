"""Real mail servers on loopback, each with a private configuration: Postfix, Exim and OpenSMTPD, from Debian.

They take mail, and keep or discard it: none has a transport to the network or DNS. What they took is counted in their own
logs, or in the queue of a Postfix that holds it. `programs.why_not` says what a machine lacks to run one; `make relays` fetches Exim and OpenSMTPD, which
Debian does not install beside Postfix.
"""

from __future__ import annotations

from tests.support.relays.exim import Exim
from tests.support.relays.opensmtpd import OpenSMTPD
from tests.support.relays.postfix import HoldingPostfix, Postfix
from tests.support.relays.server import LOGIN, RealRelay, Rules

__all__ = ["LOGIN", "Exim", "HoldingPostfix", "OpenSMTPD", "Postfix", "RealRelay", "Rules"]
