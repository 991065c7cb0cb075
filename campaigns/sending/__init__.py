"""Send a campaign: freeze, start, compose, offer, record, finish."""

from __future__ import annotations

from campaigns.sending.compose import Composer, example
from campaigns.sending.dispatch import Dispatch, refuse_errors, refuse_unsendable
from campaigns.sending.pacing import HeldBack, NotYet, PacedAnswer, Pacing
from campaigns.sending.processes import joined_by
from campaigns.sending.recorder import Recorder, Turn
from campaigns.sending.run_result import DONE_WITH_LOSSES, Ending, ending
from campaigns.sending.sender import Sender, Tally

__all__ = [
    "DONE_WITH_LOSSES",
    "Composer",
    "Dispatch",
    "Ending",
    "HeldBack",
    "NotYet",
    "PacedAnswer",
    "Pacing",
    "Recorder",
    "Sender",
    "Tally",
    "Turn",
    "ending",
    "example",
    "joined_by",
    "refuse_errors",
    "refuse_unsendable",
]
