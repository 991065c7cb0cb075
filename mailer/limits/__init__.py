"""Limits on the rate of mails: per relay, and per provider of the recipients, for all processes together.

`rates` has the settings, `budget` the arithmetic, `admission` the answers, `throttle` the shared state in the database:
import it by name, because the settings need the rates, and mostly no database.
"""

from __future__ import annotations

from mailer.limits.admission import Admission, AdmissionRequest, ProviderFull, RelayFull, Reservation
from mailer.limits.budget import SECOND, Budget, Limit
from mailer.limits.rates import ProviderLimits, RelayLimits, providers_by_domain

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
    "providers_by_domain",
]
