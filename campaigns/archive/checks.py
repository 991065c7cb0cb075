"""What `mailer doctor` says about the settings of the archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, select

from campaigns.archive.published import used_topics
from campaigns.tables import campaign
from mailer.config import Settings
from mailer.doctor import CheckLevel, CheckResult


def known_topics(connection: Connection, settings: Settings) -> set[str]:
    """The topics that the settings or a campaign name."""
    return {settings.topic, *settings.topics, *used_topics(connection)}


def archive_findings(connection: Connection, settings: Settings) -> Iterator[CheckResult]:
    """What [archive] in the settings names that is not there, and whether readers can open the pages."""
    archive = settings.archive
    known = known_topics(connection, settings)
    for topic in _not_in(known, archive.topics):
        yield _warning(
            f"topics names {topic!r}, which is the topic of no campaign",
            f"Correct topics in [archive]. The topics are {', '.join(sorted(known))}.",
        )
    slugs = select(campaign.c.slug).where(campaign.c.slug.in_(archive.hidden))
    for slug in _not_in(connection.execute(slugs).scalars(), archive.hidden):
        yield _warning(
            f"hidden names {slug!r}, which is not a campaign",
            "Correct hidden in [archive]; `mailer campaigns list` shows the names.",
        )
    if archive.enabled and not settings.public_url.startswith("https:"):
        yield _warning(
            f"mails link to pages at {settings.public_url}, which only this machine can open",
            "Fine for trying things out. For real mail set public_url to the HTTPS address of `mailer serve`.",
        )


def _not_in(known: Iterable[str], names: Iterable[str]) -> list[str]:
    found = set(known)
    return [one for one in names if one not in found]


def _warning(message: str, hint: str) -> CheckResult:
    return CheckResult("archive", CheckLevel.WARN, message, hint)
