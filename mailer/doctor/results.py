"""What a check found: one line."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mailer.errors import MailerError


class CheckLevel(StrEnum):
    """How bad it is: `fail` stops a campaign or breaks a promise, `warn` is for a person to judge."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line: what was looked at, what was found, and what to do about it."""

    check: str
    level: CheckLevel
    message: str
    hint: str | None = None


def failure(check: str, error: MailerError) -> CheckResult:
    """An error as a finding."""
    return CheckResult(check, CheckLevel.FAIL, error.message.rstrip("."), error.hint)
