"""Read the counts of a campaign, the figures of its report, its deliveries, and the problems of all campaigns.

Import `figures`, `languages` and `overview` by name: sending needs the counts alone.
"""

from __future__ import annotations

from campaigns.reports.status import (
    CampaignStatus,
    campaign_status,
    count_by_state,
    list_deliveries,
    next_due,
)

__all__ = [
    "CampaignStatus",
    "campaign_status",
    "count_by_state",
    "list_deliveries",
    "next_due",
]
