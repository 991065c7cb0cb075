"""The topics on the unsubscribe page: what they are, and the POSTs that change them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from mailer.database import GroupCommit
from subscribers.models import Channel
from subscribers.self_service import Target, View, Withdrawal, preferences, unsubscribe
from subscribers.self_service.preferences import TopicChoice
from subscribers.topic import is_topic, parse_topic, title_of, wording_of
from subscribers.web.answers import Desk
from subscribers.web.form import UnreadableForm
from templates.language import Locale
from templates.page import ShownChoice


class Preferences:
    """The choices of the person of a link. Where the settings name no topics there are none."""

    def __init__(self, desk: Desk, commits: GroupCommit[unsubscribe.Request, View]) -> None:
        self._desk, self._commits = desk, commits
        self._topics = desk.settings.topics

    def title(self, topic: str, locale: Locale) -> str:
        """The title of a topic."""
        return title_of(self._topics, topic, locale)

    async def choices(self, target: Target) -> list[TopicChoice]:
        """The topics that the page shows; none where there is nothing to choose."""
        if not self._topics:
            return []
        found = await self._desk.read(
            lambda connection, _now: preferences.choices(connection, target, list(self._topics))
        )
        return found if len(found) > 1 or any(each.topic != target.topic for each in found) else []

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
        await self._commits.submit(Withdrawal(replace(target, topic=parse_topic(topic)), Channel.PAGE))
        return self.title(topic, target.locale)

    async def turn_off_all(self, target: Target) -> None:
        """Withdraw every consent of the person."""
        topics = {target.topic, *(each.topic for each in await self.choices(target) if each.is_on)}
        await asyncio.gather(*(self.turn_off(target, topic) for topic in topics))

    async def turn_on(self, target: Target, topic: str) -> str:
        """Ask by mail whether the person wants a topic; returns its title. Raises UnreadableForm for other topics.

        The answer is the same where no more mail goes out today.
        """
        if topic not in self._topics:
            raise UnreadableForm
        locale = target.locale
        default = self._desk.pages.topic_wording(locale, self.title(topic, locale))
        wording = wording_of(self._topics, topic, locale) or default
        await self._desk.write(
            lambda connection, now: preferences.request_topic(connection, target, topic, wording, now)
        )
        return self.title(topic, locale)
