"""Ask SpamAssassin about a mail, where it is installed. It runs on this machine and sends nothing."""

from __future__ import annotations

import re
import shutil
import subprocess

from mailer.errors import ConfigurationError, MailerError, TryAgainLater, starting_process
from templates.lint import Finding

MAX_SECONDS = 120
MOST_POINTS = 2.0
# Rules that only judge how a mail came here: a mail that was not sent yet has not come from anywhere.
_OF_THE_WAY = frozenset({"NO_RECEIVED", "NO_RELAYS", "ALL_TRUSTED", "MISSING_DATE", "UNPARSEABLE_RELAY"})
_RULE = re.compile(r"^\s*(-?\d+\.\d+)\s+([A-Z][A-Z0-9_]+)\s+(.*)$", re.MULTILINE)


def check_spam(message: bytes) -> tuple[Finding, ...]:
    """A finding where SpamAssassin gives more than 2 points.

    Raises ConfigurationError where it is not installed, TryAgainLater where it does not answer, MailerError where it
    fails.
    """
    program = shutil.which("spamassassin")
    if program is None:
        raise ConfigurationError(
            "SpamAssassin is not installed.", hint="Install the package spamassassin, or leave --spam out."
        )
    try:
        with starting_process():
            result = subprocess.run(  # noqa: S603 - the program that the machine has; the mail is its input
                [program, "--local", "--test-mode"], input=message, capture_output=True, timeout=MAX_SECONDS, check=False
            )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise TryAgainLater("SpamAssassin did not answer.", hint="Try it again.") from None
    _, heading, report = result.stdout.decode("utf-8", "replace").rpartition("Content analysis details:")
    if result.returncode != 0 or not heading:
        raise MailerError(
            f"SpamAssassin failed (exit code {result.returncode}): the mail was not judged.",
            hint="`spamassassin --lint` says what is wrong with its rules or settings.",
        )
    rules = [(float(points), name) for points, name, _ in _RULE.findall(report) if name not in _OF_THE_WAY]
    total = sum(points for points, _ in rules)
    if total <= MOST_POINTS:
        return ()
    named = ", ".join(f"{name} {points}" for points, name in sorted(rules, reverse=True) if points > 0)
    return (Finding.of("spam-score", f"SpamAssassin gives {total:.1f} points: {named}.", "HTML"),)
