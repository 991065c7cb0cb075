"""What the page with a person's own data shows, in the words of its language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from mailer.config import TopicSettings
from subscribers.address import readable_address
from subscribers.ledger import EVERY_TOPIC
from subscribers.rights import SubjectRecord, entry_values
from subscribers.topic import title_of
from templates.language import Locale, format_moment, load_texts
from templates.own_data_page import (
    OwnData,
    ShownDisclosure,
    ShownEvent,
    ShownHold,
    ShownMail,
    ShownRequest,
    ShownTopic,
)


def overview(
    record: SubjectRecord, locale: Locale, topics: Mapping[str, TopicSettings], zone: ZoneInfo
) -> OwnData:
    """Everything on file about a person. Times are in `zone`."""
    texts = load_texts(locale)["own_data"]

    def moment(value: Any) -> str:
        return format_moment(value, locale, zone) if value is not None else ""

    def word(kind: str, value: str) -> str:
        return texts[f"{kind}_{value}"]

    def title(topic: str | None) -> str:
        return title_of(topics, topic, locale) if topic and topic != EVERY_TOPIC else ""

    suppressed = record.suppressed
    events = [entry_values(entry, record) for entry in record.history]
    return OwnData(
        names=record.person.names._asdict(),
        email=readable_address(record.person.email),
        on_file_since=moment(record.person.created_at),
        topics=[
            ShownTopic(title(topic), word("state", status.state.value), moment(status.since))
            for topic, status in record.statuses.items()
        ],
        suppressed=texts["suppressed"].format(
            time=moment(suppressed.since), reason=word("reason", suppressed.reason.value)
        )
        if suppressed
        else "",
        mails=[
            ShownMail(
                mail["title"],
                moment(mail["completed_at"] or mail["attempted_at"]),
                word("outcome", mail["outcome"]),
                mail["reply"] or "",
            )
            for mail in record.elsewhere.get("mails", [])
        ],
        events=[
            ShownEvent(
                moment(event["occurred_at"]),
                word("kind", event["kind"]),
                title(event["topic"]),
                word("channel", event["channel"]),
                event["source"] or "",
                record.wordings.get(event["wording_sha256"] or "", ""),
            )
            for event in events
        ],
        requests=[
            ShownRequest(
                moment(request["requested_at"]),
                word("request", request["kind"]),
                title(request["topic"]),
                request["email"] or "",
                moment(request["confirmed_at"]),
            )
            for request in record.requests
        ],
        disclosures=[
            ShownDisclosure(moment(act.at), act.disclosed_to or "", act.ground or "")
            for act in record.disclosures
        ],
        holds=[ShownHold(hold.ground, moment(hold.until)) for hold in record.held],
    )
