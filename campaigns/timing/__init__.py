"""Due times, send windows and recurring times (`cron`, imported by name). Pure functions of aware datetimes."""

from __future__ import annotations

from campaigns.timing.due_time import DueTime, Missed, parse_due_time
from campaigns.timing.window import ALWAYS, SendWindow

__all__ = ["ALWAYS", "DueTime", "Missed", "SendWindow", "parse_due_time"]
