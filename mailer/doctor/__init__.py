"""Checks before mail goes out: settings, secrets, database, relay, DNS, the public address."""

from __future__ import annotations

from mailer.doctor.checks import (
    ExpectedAnswer,
    Finding,
    Level,
    aligned,
    database,
    failure,
    open_to_others,
    public_address,
    relay,
    secrets,
    sender,
)

__all__ = [
    "ExpectedAnswer",
    "Finding",
    "Level",
    "aligned",
    "database",
    "failure",
    "open_to_others",
    "public_address",
    "relay",
    "secrets",
    "sender",
]
