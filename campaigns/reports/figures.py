"""All figures of a campaign's report: from the relay's answers and the consent ledger, never from readers' acts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection

from campaigns.campaign import Campaign
from campaigns.reports.domains import DomainCount, count_by_domain
from campaigns.reports.languages import LanguageCount, count_by_language
from campaigns.reports.leavers import Leavers, read_leavers
from campaigns.reports.progress import Progress, read_progress
from campaigns.reports.replies import Reason, reasons
from campaigns.reports.status import CampaignStatus, campaign_status

OUTCOMES = ("accepted", "deferred", "pending", "rejected", "uncertain", "withheld", "cancelled", "skipped")
"""The counts of a status, in the order of a report."""


@dataclass(frozen=True, slots=True)
class CampaignFigures:
    """What a report shows."""

    status: CampaignStatus
    languages: Sequence[LanguageCount]
    reasons: Sequence[Reason]
    progress: Progress | None
    domains: Sequence[DomainCount]
    leavers: Leavers | None

    def outcomes(self) -> dict[str, int]:
        """The number of deliveries by outcome. Mails in flight are pending."""
        numbers = {name: getattr(self.status, name) for name in OUTCOMES}
        return numbers | {"pending": numbers["pending"] + self.status.in_flight}

    def values(self) -> dict[str, object]:
        """The figures for JSON."""
        return self.status._asdict() | {
            "languages": [asdict(one) for one in self.languages],
            "reasons": [asdict(one) for one in self.reasons],
            "progress": asdict(self.progress) if self.progress else None,
            "domains": [asdict(one) for one in self.domains],
            "left": asdict(self.leavers) if self.leavers else None,
        }

    def rows(self) -> Iterator[tuple[str, str, str, int]]:
        """The figures for a table: part, item, measure, number."""
        for name, number in self.outcomes().items():
            yield "outcomes", name, "deliveries", number
        for language in self.languages:
            yield "languages", language.locale, "audience", language.audience
            yield "languages", language.locale, "accepted", language.accepted
        for step in self.progress.steps if self.progress else ():
            yield "progress", step.at.isoformat(), "accepted", step.accepted
            yield "progress", step.at.isoformat(), "otherwise", step.otherwise
        for milestone in self.progress.milestones if self.progress else ():
            yield "milestones", f"{milestone.share:.0%}", "seconds", round(milestone.seconds)
        for one in self.domains:
            for measure in ("recipients", "accepted", "rejected", "open", "otherwise"):
                yield "domains", one.domain or f"{one.domains} others", measure, getattr(one, measure)
        for day in self.leavers.days if self.leavers else ():
            for measure in ("one_click", "page", "otherwise"):
                yield "left", f"day {day.day}", measure, getattr(day, measure)
        for reason in self.reasons:
            parts = (reason.smtp_phase, reason.reason, reason.reply)
            yield "reasons", " ".join(part for part in parts if part), reason.state, reason.deliveries


def read_figures(
    connection: Connection, campaign: Campaign, now: datetime, *, default_locale: str
) -> CampaignFigures:
    """The figures of a campaign at `now`. Before the start there is neither progress nor anybody who left."""
    started = campaign.started_at is not None
    return CampaignFigures(
        status=campaign_status(connection, campaign),
        languages=count_by_language(connection, campaign, default_locale),
        reasons=reasons(connection, campaign.id),
        progress=read_progress(connection, campaign),
        domains=count_by_domain(connection, campaign.id),
        leavers=read_leavers(connection, campaign, now) if started else None,
    )
