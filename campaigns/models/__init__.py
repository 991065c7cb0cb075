"""Tables of campaigns, their schedules, digests, workers and deliveries: their schema."""

from __future__ import annotations

from campaigns.models.campaign import (
    CampaignApproval,
    CampaignHold,
    CampaignImage,
    CampaignRow,
    CampaignTranslation,
    Schedule,
)
from campaigns.models.delivery import Delivery, DeliveryCount, Notice, Worker
from campaigns.models.digest import DigestHold, DigestRow, DigestTick

__all__ = [
    "CampaignApproval",
    "CampaignHold",
    "CampaignImage",
    "CampaignRow",
    "CampaignTranslation",
    "Delivery",
    "DeliveryCount",
    "DigestHold",
    "DigestRow",
    "DigestTick",
    "Notice",
    "Schedule",
    "Worker",
]
