"""Settings from the values that a file would have."""

from __future__ import annotations

from typing import Any

from mailer.config import Settings
from mailer.config.reading import read_section


def settings_of(**values: Any) -> Settings:
    """The settings with these values, such as text for a mailbox, and defaults for the rest."""
    return read_section(values, Settings)
