"""The result of a run: the exit code, and a message for the operator."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from campaigns.reports import CampaignStatus
from campaigns.sending.tally import Tally
from campaigns.states import CampaignState
from mailer.errors import MailerError, RelayUnavailable, TryAgainLater

DONE_WITH_LOSSES = 3  # the exit code where some were rejected or are uncertain


class RunResult(NamedTuple):
    """The campaign's counts after a run, the exit code, and a message where there is one.

    `by_another_run`: another run of the campaign is sending the rest. `relay_away`: no connection could be made.
    """

    status: CampaignStatus
    exit_code: int
    message: str | None = None
    by_another_run: bool = False
    relay_away: bool = False


def judge_run(
    status: CampaignStatus,
    tally: Tally,
    *,
    at_work_elsewhere: bool,
    closed_until: datetime | None = None,
    limited_until: datetime | None = None,
) -> RunResult:
    """Judge a run by its tally and the campaign's counts after it.

    `closed_until` is when its window opens, `limited_until` when the limits let the next mail through.
    """
    slug, unsent = status.slug, status.pending + status.in_flight
    if error := tally.error:
        is_away = isinstance(error, RelayUnavailable) and error.exit_code == TryAgainLater.exit_code
        return RunResult(status, error.exit_code, str(error), relay_away=is_away)
    if tally.pause_reason and status.state is not CampaignState.FINISHED:
        hint = f"The campaign is paused. Remove the cause, then `mailer campaigns resume {slug}`."
        return RunResult(status, MailerError.exit_code, f"{tally.pause_reason}\n{hint}")
    if held := _why_held(status, closed_until, limited_until):
        return RunResult(status, 0, held)
    if unsent and at_work_elsewhere:
        return RunResult(status, 0, "Another run is sending the rest.", by_another_run=True)
    if unsent and status.state is CampaignState.SENDING:
        message = f"Stopped early; `mailer campaigns send {slug}` continues."
        return RunResult(status, TryAgainLater.exit_code, message)
    return RunResult(status, DONE_WITH_LOSSES if status.rejected + status.uncertain else 0)


def _why_held(
    status: CampaignStatus, closed_until: datetime | None, limited_until: datetime | None
) -> str | None:
    """Why the run waits, without an error: the send window or the limits."""
    if status.state is CampaignState.PAUSED:
        return f"Paused; `mailer campaigns resume {status.slug}` continues it."
    if not status.pending or status.state is not CampaignState.SENDING:
        return None
    if closed_until:
        return f"The send window opens {closed_until:%A %d %B, %H:%M %Z}; `mailer run-due` continues then."
    if limited_until:
        moment = f"{limited_until:%A %d %B, %H:%M:%S %Z}"
        return f"The limits let the next mail through {moment}; `mailer run-due` continues then."
    return None
