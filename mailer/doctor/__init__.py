"""Checks before mail goes out: settings, secrets, database, relay, DNS, the public address."""

from __future__ import annotations

from mailer.doctor.authentication import sender
from mailer.doctor.checks import (
    ExpectedAnswer,
    database,
    open_to_others,
    public_address,
    relay,
    secrets,
    signing_key,
)
from mailer.doctor.findings import Finding, Level, failure

__all__ = [
    "ExpectedAnswer",
    "Finding",
    "Level",
    "database",
    "failure",
    "open_to_others",
    "public_address",
    "relay",
    "secrets",
    "sender",
    "signing_key",
]
