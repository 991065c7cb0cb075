"""Send a campaign: freeze, start, compose, offer, record, finish.

Import `preparation`, which renders and checks content, by name where it is needed: it is slow to import.
`breach_letters` sends the letters of a data breach.
"""

from __future__ import annotations

from campaigns.sending.compose import sample_of
from campaigns.sending.dispatch import Dispatch
from campaigns.sending.preflight import Preflight
from campaigns.sending.processes import joined_by
from campaigns.sending.run_result import DONE_WITH_LOSSES, RunResult, judge_run
from campaigns.sending.sender import Sender
from campaigns.sending.tally import Tally

__all__ = [
    "DONE_WITH_LOSSES",
    "Dispatch",
    "Preflight",
    "RunResult",
    "Sender",
    "Tally",
    "joined_by",
    "judge_run",
    "sample_of",
]
