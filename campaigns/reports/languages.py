"""Count the people of a campaign in several languages, by the language that each gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, literal, select

from campaigns.campaign import Campaign
from campaigns.deliveries import delivery, subscriber
from campaigns.states import DeliveryState
from campaigns.stored_content import load_notes
from mailer.quantity import quantity
from subscribers.audience import consented
from subscribers.ledger import agreed_wording, consented_wording, languages_of_wordings


@dataclass(frozen=True, slots=True)
class LanguageCount:
    """The people who get a campaign in one language, and how many of their mails were accepted."""

    locale: str
    audience: int
    accepted: int

    def __str__(self) -> str:
        return f"{self.locale}: {self.accepted:,} accepted of {self.audience:,}"


def count_by_language(connection: Connection, campaign: Campaign, default: str) -> list[LanguageCount]:
    """The counts of each language, in the order of the notes; none of a campaign in one language.

    Each person counts for the language of the wording that they agreed to, else for `default`, the settings' language,
    else for the campaign's first: as they get the mail. Before the start the people who consent now are counted, later
    the deliveries; none once their rows were deleted.
    """
    locales = [one.locale for one in load_notes(campaign.notes).editions]
    if len(locales) == 1:
        return []
    other = default if default in locales else locales[0]
    languages = languages_of_wordings(connection, campaign.topic)
    audience: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    for wording, state, number in _by_wording(connection, campaign):
        locale = chosen_locale(languages.get(wording or "", ""), locales, other)
        audience[locale] += number
        if state is DeliveryState.ACCEPTED:
            accepted[locale] += number
    if campaign.started_at is not None and not audience:
        return []
    return [LanguageCount(one, audience[one], accepted[one]) for one in locales]


def language_line(counts: Sequence[LanguageCount], *, started: bool) -> str:
    """The counts on one line, such as "languages: nl 120 people, en 40 people"."""
    shown = [
        str(one) if started else f"{one.locale} {quantity(one.audience, 'person', 'people')}"
        for one in counts
    ]
    return f"languages: {', '.join(shown)}"


def chosen_locale(language: str, locales: Sequence[str], other: str) -> str:
    """The language of the campaign for somebody whose wording is in `language`, such as "nl-BE"."""
    wanted = language.partition("-")[0].lower()
    return wanted if wanted in locales else other


def _by_wording(
    connection: Connection, campaign: Campaign
) -> list[tuple[str | None, DeliveryState | None, int]]:
    """The number of people by the wording that they agreed to, and by the state of their delivery."""
    if campaign.started_at is None:
        wording = consented_wording(literal(campaign.topic), subscriber.c.id).label("wording")
        agrees = consented(campaign.topic, subscriber.c.id)
        people = select(wording).select_from(subscriber).where(agrees).subquery()
        counted = select(people.c.wording, func.count()).group_by(people.c.wording)
        return [(found, None, number) for found, number in connection.execute(counted)]
    agreed = agreed_wording(campaign.topic, delivery.c.subscriber_id, delivery.c.ledger_entry)
    mails = (
        select(agreed.label("wording"), delivery.c.state)
        .where(delivery.c.campaign_id == campaign.id)
        .subquery()
    )
    grouped = select(mails.c.wording, mails.c.state, func.count()).group_by(mails.c.wording, mails.c.state)
    return [(found, state, number) for found, state, number in connection.execute(grouped)]
