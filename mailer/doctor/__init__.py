"""The checks of `mailer doctor`: settings, secrets, database, relay, DNS, public address, processors."""

from __future__ import annotations

from mailer.doctor.authentication import sender
from mailer.doctor.checks import (
    ExpectedAnswer,
    database,
    public_address,
    relay,
    secrets,
    signing_key,
)
from mailer.doctor.ledger_key import signed_ledger
from mailer.doctor.privacy import contact, processors
from mailer.doctor.results import CheckLevel, CheckResult, failure

__all__ = [
    "CheckLevel",
    "CheckResult",
    "ExpectedAnswer",
    "contact",
    "database",
    "failure",
    "processors",
    "public_address",
    "relay",
    "secrets",
    "sender",
    "signed_ledger",
    "signing_key",
]
