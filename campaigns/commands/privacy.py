"""The group `mailer privacy` with all its commands: those of the layer below, and those that need deliveries."""

from __future__ import annotations

from campaigns.commands import audit, breach, purge  # each adds its command to the group
from subscribers.commands.privacy import privacy

__all__ = ["audit", "breach", "privacy", "purge"]
