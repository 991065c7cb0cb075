"""The rights of people on file (GDPR art. 7(3), 15 to 20): access, rectification, erasure, withdrawal.

Each act that changes something is an event in the ledger, in the transaction of the change.
"""

from __future__ import annotations

from subscribers.rights.access import Listed, SubjectRecord, exported, find, listed, look_up, told
from subscribers.rights.erasure import erase
from subscribers.rights.rectification import Correction, rectify
from subscribers.rights.withdrawal import withdraw

__all__ = [
    "Correction",
    "Listed",
    "SubjectRecord",
    "erase",
    "exported",
    "find",
    "listed",
    "look_up",
    "rectify",
    "told",
    "withdraw",
]
