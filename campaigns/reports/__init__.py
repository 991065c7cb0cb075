"""A campaign's counts, the reasons for failures, and its deliveries. Reads only."""

from __future__ import annotations

from campaigns.reports.status import (
    Status,
    campaign_status,
    count_by_state,
    list_deliveries,
    next_due,
    reasons,
)

__all__ = ["Status", "campaign_status", "count_by_state", "list_deliveries", "next_due", "reasons"]
