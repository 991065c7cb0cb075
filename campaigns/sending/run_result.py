"""How a run ended: what to tell the operator, and the exit code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from campaigns.models import CampaignState
from campaigns.reports import Status
from campaigns.sending.sender import Tally
from mailer.errors import MailerError, TryAgainLater

DONE_WITH_LOSSES = 3  # the exit code where some were rejected or are uncertain


@dataclass(frozen=True, slots=True)
class RunResult:
    """The campaign's counts after a run, the exit code, and what else there is to say."""

    status: Status
    exit_code: int
    message: str | None = None


def ending(
    status: Status,
    tally: Tally,
    *,
    at_work_elsewhere: bool,
    closed_until: datetime | None = None,
    limited_until: datetime | None = None,
) -> RunResult:
    """Judge a run by its tally and the campaign's counts after it.

    `closed_until` is when its window opens, `limited_until` when the limits let the next mail go.
    """
    slug, unsent = status.slug, status.pending + status.in_flight
    if tally.error:
        return RunResult(status, tally.error.exit_code, str(tally.error))
    if tally.refusal:
        hint = f"The campaign is paused. Mend it, then `mailer campaigns resume {slug}`."
        return RunResult(
            status, MailerError.exit_code, f"The relay refuses our mail: {tally.refusal}\n{hint}"
        )
    if held := _held(status, closed_until, limited_until):
        return RunResult(status, 0, held)
    if unsent and at_work_elsewhere:
        return RunResult(status, TryAgainLater.exit_code, "Another run is sending the rest.")
    if unsent and status.state is CampaignState.SENDING:
        message = f"Stopped early; `mailer campaigns send {slug}` goes on."
        return RunResult(status, TryAgainLater.exit_code, message)
    return RunResult(status, DONE_WITH_LOSSES if status.rejected + status.uncertain else 0)


def _held(status: Status, closed_until: datetime | None, limited_until: datetime | None) -> str | None:
    """Why nothing more goes out for now, though nothing is wrong."""
    if status.state is CampaignState.PAUSED:
        return f"Paused; `mailer campaigns resume {status.slug}` lets it go on."
    if status.pending and status.state is CampaignState.SENDING and closed_until:
        return f"The send window opens {closed_until:%A %d %B, %H:%M %Z}; `mailer run-due` goes on then."
    if status.pending and status.state is CampaignState.SENDING and limited_until:
        moment = f"{limited_until:%A %d %B, %H:%M:%S %Z}"
        return f"The limits let the next mail go {moment}; `mailer run-due` goes on then."
    return None
