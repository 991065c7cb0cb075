"""Read the counts of a campaign, the figures of its report, its deliveries, and the problems of all campaigns."""

from __future__ import annotations

from campaigns.reports.figures import CampaignFigures, read_figures
from campaigns.reports.languages import LanguageCount, count_by_language, language_line
from campaigns.reports.overview import (
    Overview,
    Problem,
    ProblemSeverity,
    count_campaigns,
    count_open_deliveries,
    overview,
)
from campaigns.reports.status import (
    CampaignStatus,
    campaign_status,
    count_by_state,
    list_deliveries,
    next_due,
)

__all__ = [
    "CampaignFigures",
    "CampaignStatus",
    "LanguageCount",
    "Overview",
    "Problem",
    "ProblemSeverity",
    "campaign_status",
    "count_by_language",
    "count_by_state",
    "count_campaigns",
    "count_open_deliveries",
    "language_line",
    "list_deliveries",
    "next_due",
    "overview",
    "read_figures",
]
