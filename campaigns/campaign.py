"""A campaign as it was read: a value, not a row."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from campaigns.states import CampaignState


class Campaign(NamedTuple):
    """One release note to one topic, as the database had it when it was read.

    `notes` is the release notes as JSON. `subject`, `html`, `text` and `content_hash` are None until the content is
    frozen. `send_window` is the campaign's own; where it is None, the settings' window is used.
    """

    id: int
    slug: str
    topic: str
    locale: str
    state: CampaignState
    notes: str
    subject: str | None
    html: str | None
    text: str | None
    content_hash: str | None
    created_at: datetime
    frozen_at: datetime | None
    approved_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    paused_because: str | None
    send_window: str | None
    source: str | None
