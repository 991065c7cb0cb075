"""Checks before the first mail of a campaign. Each check raises Refused with a hint."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from campaigns import approvals
from campaigns.approvals import ApprovalRule
from campaigns.campaign import Campaign
from campaigns.states import CampaignState
from mailer.config import Settings, key_source
from mailer.database import Database, installation_id
from mailer.errors import Refused
from subscribers import audience
from subscribers.self_service import NO_ADDRESS, Links
from templates.language import parse_locale

DEFAULT_SENDER = "news@example.com"
MAX_AUDIENCE_GROWTH = 0.1  # of the audience that was approved


class Preflight:
    """The checks of a campaign, with one database and one set of settings. `warn` gets the warnings."""

    def __init__(self, database: Database, settings: Settings, warn: Callable[[str], None]) -> None:
        self._database, self._settings, self._warn = database, settings, warn

    def check(self, campaign: Campaign) -> None:
        """Run all checks for scheduling, starting or continuing a campaign."""
        self._check_sender()
        if campaign.state is not CampaignState.SENDING:
            with self._database.read() as connection:
                self._check_audience(connection, campaign)
        self._check_unsubscribe_page(campaign)

    def _check_sender(self) -> None:
        senders = [self._settings.sender, *(own.sender for own in self._settings.per_sender().values())]
        if any(sender.email.lower() == DEFAULT_SENDER for sender in senders):
            raise Refused(
                f"The sender is still the default, {DEFAULT_SENDER}.",
                hint='Set sender = "Your name <you@your-domain>" in mailer.toml, or MAILER_SENDER.',
            )

    def _check_unsubscribe_page(self, campaign: Campaign) -> None:
        """Raise Refused, or warn, where the page does not answer a one-click request (RFC 8058)."""
        mode = self._settings.unsubscribe_check_mode
        if mode == "off":
            return
        from campaigns.sending.unsubscribe_check import find_problem  # noqa: PLC0415 - the HTTP client is slow to import

        settings = self._settings
        with self._database.read() as connection:
            installation = installation_id(connection)
        links = Links(key_source(settings), installation, settings.public_url)
        url = links.url(0, NO_ADDRESS, campaign.topic, parse_locale(campaign.locale))
        problem = find_problem(url)
        if problem is None:
            return
        message = f"Nobody could unsubscribe: {settings.public_url}/u/ fails the test: {problem}."
        remedy = "Run `mailer serve` and let public_url lead to it."
        if mode == "require":
            other = "MAILER_UNSUBSCRIBE_CHECK=warn sends in spite of this, off does not check."
            raise Refused(message, hint=f"{remedy} {other}")
        is_set = settings.unsubscribe_check is not None
        reason = 'unsubscribe_check is "warn"' if is_set else "all relays are on this machine"
        self._warn(
            f"Warning: {message}\n{remedy} It is sent all the same, because {reason}; "
            '`unsubscribe_check = "require"` refuses.'
        )

    def _check_audience(self, connection: Connection, campaign: Campaign) -> None:
        if not audience.is_anyone(connection, campaign.topic):
            topics = audience.count_by_topic(connection)
            on_file = ", ".join(f"{topic} ({number:,})" for topic, number in topics.items())
            raise Refused(
                f"Nobody agreed to get mail about {campaign.topic!r}.",
                hint=f"Topics on file: {on_file}. Change the campaign with `mailer campaigns update {campaign.slug}`."
                if topics
                else "Nobody on file agreed to any topic: import people with `mailer subscribers import`.",
            )
        rule = ApprovalRule.of(self._settings)
        counted = approvals.status(connection, campaign, rule).counted if rule.required else ()
        if not counted:
            return
        approved = min(one.audience for one in counted)
        people = audience.count(connection, campaign.topic)
        if people > approved * (1 + MAX_AUDIENCE_GROWTH):
            raise Refused(
                f"The approval of {campaign.slug!r} is void: the audience grew from {approved:,} to {people:,} people.",
                hint=f"Approve it again: `mailer campaigns approve {campaign.slug}`.",
            )
