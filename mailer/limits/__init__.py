"""Limits on the rate of mails: per relay, and per provider of the recipients, for all processes together.

`rates` has the settings, `budget` the arithmetic, `throttle` the shared state in the database: import it by name,
because the settings need the rates, and mostly no database.
"""

from __future__ import annotations

from mailer.limits.budget import SECOND, Budget, Limit
from mailer.limits.rates import ProviderLimits, RelayLimits, providers_by_domain

__all__ = [
    "SECOND",
    "Budget",
    "Limit",
    "ProviderLimits",
    "RelayLimits",
    "providers_by_domain",
]
