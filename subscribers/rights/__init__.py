"""The rights of people on file (GDPR art. 7(3), 15 to 20): access, rectification, erasure, withdrawal.

Each act that changes something is an event in the ledger, in the transaction of the change.

`holds` keeps data that the law requires you to keep, `retention` deletes what has been kept for its period. `notice`
is the privacy notice, `register` the record of processing, `breach` finds whose data a breach concerns.
"""

from __future__ import annotations

from subscribers.rights.access import (
    ListedPerson,
    SubjectRecord,
    entry_values,
    export_values,
    find,
    list_people,
    look_up,
)
from subscribers.rights.disk import erase_on_disk
from subscribers.rights.erasure import erase
from subscribers.rights.export_schema import EXPORT_SCHEMA
from subscribers.rights.objection import object_to_mail
from subscribers.rights.opt_out import Suppressions, count_agreed, lift, suppress_all
from subscribers.rights.proof import prove
from subscribers.rights.rectification import Correction, rectify
from subscribers.rights.replay import replay
from subscribers.rights.withdrawal import withdraw

__all__ = [
    "EXPORT_SCHEMA",
    "Correction",
    "ListedPerson",
    "SubjectRecord",
    "Suppressions",
    "count_agreed",
    "entry_values",
    "erase",
    "erase_on_disk",
    "export_values",
    "find",
    "lift",
    "list_people",
    "look_up",
    "object_to_mail",
    "prove",
    "rectify",
    "replay",
    "suppress_all",
    "withdraw",
]
