"""Tables of campaigns, their schedules, digests, workers and deliveries, and their states."""

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
from campaigns.models.states import CampaignState, DeliveryReason, DeliveryState

__all__ = [
    "CampaignApproval",
    "CampaignHold",
    "CampaignImage",
    "CampaignRow",
    "CampaignState",
    "CampaignTranslation",
    "Delivery",
    "DeliveryCount",
    "DeliveryReason",
    "DeliveryState",
    "DigestHold",
    "DigestRow",
    "DigestTick",
    "Notice",
    "Schedule",
    "Worker",
]
