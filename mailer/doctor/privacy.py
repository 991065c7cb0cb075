"""The check that the record of processing names who processes personal data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mailer.config import Settings
from mailer.config.processors import uncovered
from mailer.doctor.results import CheckLevel, CheckResult

_CHECK = "privacy"


def processors(settings: Settings, hosts: Mapping[str, str]) -> Iterator[CheckResult]:
    """Check that a processor is named for each of `hosts`; the value is the setting, or what else names the host."""
    for host, named_by in uncovered(settings, hosts).items():
        yield CheckResult(
            _CHECK,
            CheckLevel.WARN,
            f"{host} ({named_by}) belongs to no processor in the settings",
            "Name its company in [[privacy.processors]] with hosts, or add the host to own_hosts in [privacy].",
        )


def contact(settings: Settings) -> Iterator[CheckResult]:
    """Check that the privacy notice names whom to ask, where people outside can read it."""
    if settings.privacy.contact is None and settings.public_url.startswith("https:"):
        yield CheckResult(
            _CHECK,
            CheckLevel.WARN,
            "the privacy notice names nobody to ask",
            'Set contact in [privacy], such as "Robin Smit <privacy@example.com>".',
        )
