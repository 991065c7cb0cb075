"""The topics on the unsubscribe page: what they are, and the POSTs that change them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from mailer.database import GroupCommit
from mailer.errors import MailerError
from subscribers.kinds import Channel
from subscribers.own_data import request_link
from subscribers.self_service import Target, preferences, unsubscribe
from subscribers.self_service.preferences import TopicChoice
from subscribers.self_service.unsubscribe import View, Withdrawal, WithdrawalFromAll
from subscribers.topic import is_topic, parse_topic, title_of, wording_of
from subscribers.web.answers import PageServices, why_unavailable
from subscribers.web.form import UnreadableForm
from templates.language import Locale
from templates.page import ShownChoice

CHOICES_SECONDS = 5
"""A page without choices is better than none."""

log = logging.getLogger(__name__)


class Preferences:
    """The choices of the person of a link. Where the settings name no topics there are none."""

    def __init__(self, services: PageServices, commits: GroupCommit[unsubscribe.Request, View]) -> None:
        self._services, self._commits = services, commits
        self._topics = services.settings.topics

    def title(self, topic: str, locale: Locale) -> str:
        """The title of a topic."""
        return title_of(self._topics, topic, locale)

    async def choices(self, target: Target) -> list[TopicChoice] | None:
        """The topics that the page shows; empty where there is nothing to choose, None where they can't be read."""
        if not self._topics:
            return []
        try:
            async with asyncio.timeout(CHOICES_SECONDS):
                found = await self._read(target)
        except (MailerError, TimeoutError) as error:
            log.warning("An unsubscribe page is shown without topics: %s", why_unavailable(error))
            return None
        return found if len(found) > 1 or any(each.topic != target.topic for each in found) else []

    async def _read(self, target: Target) -> list[TopicChoice]:
        """The choices, read without the threads that other pages use."""
        async with self._services.database.session() as session:
            connection = await session.connection()
            return await connection.run_sync(preferences.choices, target, list(self._topics))

    def shown(self, choices: Sequence[TopicChoice], locale: Locale) -> list[ShownChoice]:
        """The choices as the page shows them."""
        return [
            ShownChoice(each.topic, self.title(each.topic, locale), each.is_on, each.can_turn_on)
            for each in choices
        ]

    async def turn_off(self, target: Target, topic: str) -> str:
        """Withdraw the consent to a topic; returns its title. Raises UnreadableForm for what is no topic."""
        if not is_topic(topic):
            raise UnreadableForm
        await self._commits.submit(Withdrawal(target._replace(topic=parse_topic(topic)), Channel.PAGE))
        return self.title(topic, target.locale)

    async def turn_off_all(self, target: Target) -> None:
        """Withdraw every consent of the person; the transaction that withdraws them finds them."""
        await self._commits.submit(WithdrawalFromAll(target, Channel.PAGE))

    async def request_own_data(self, target: Target) -> View:
        """Let a link to the person's own data be mailed. The view is the same where the limit is reached."""

        def request(connection: Connection, now: datetime) -> View:
            request_link(connection, target, now)
            return unsubscribe.look_up(connection, target)

        return await self._services.write(request)

    async def turn_on(self, target: Target, topic: str) -> str:
        """Ask by mail whether the person wants a topic; returns its title. Raises UnreadableForm for other topics.

        The answer is the same where no more mail goes out today.
        """
        if topic not in self._topics:
            raise UnreadableForm
        locale = target.locale
        default = self._services.pages.topic_wording(locale, self.title(topic, locale))
        wording = wording_of(self._topics, topic, locale) or default
        await self._services.write(
            lambda connection, now: preferences.request_topic(connection, target, topic, wording, now)
        )
        return self.title(topic, locale)
