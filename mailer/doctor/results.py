"""The result of a check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mailer.errors import MailerError


class CheckLevel(StrEnum):
    """The level of a result: `fail` needs action, `warn` needs a look."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check: its name, level, message and hint."""

    check: str
    level: CheckLevel
    message: str
    hint: str | None = None


def failure(check: str, error: MailerError) -> CheckResult:
    """The result for an error."""
    return CheckResult(check, CheckLevel.FAIL, error.message.rstrip("."), error.hint)
