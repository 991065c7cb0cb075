"""Limits on the rate of mails: per relay, and per provider of the recipients, for all processes together.

`rates` has the settings, `budget` the arithmetic, `throttle` the shared state in the database.
"""

from __future__ import annotations

from mailer.limits.budget import SECOND, Budget, Limit
from mailer.limits.rates import ProviderLimits, RelayLimits, providers_by_domain
from mailer.limits.throttle import Admission, AdmissionRequest, ProviderFull, RelayFull, Reservation, Throttle

__all__ = [
    "SECOND",
    "Admission",
    "AdmissionRequest",
    "Budget",
    "Limit",
    "ProviderFull",
    "ProviderLimits",
    "RelayFull",
    "RelayLimits",
    "Reservation",
    "Throttle",
    "providers_by_domain",
]
