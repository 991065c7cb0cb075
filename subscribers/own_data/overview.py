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
from templates.language import Locale, Register, format_moment, load_texts
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
    record: SubjectRecord,
    locale: Locale,
    topics: Mapping[str, TopicSettings],
    zone: ZoneInfo,
    register: Register = "formal",
) -> OwnData:
    """Everything on file about a person. Times are in `zone`, and texts in this register."""
    return _Overview(record, locale, topics, zone, register).own_data()


class _Overview:
    """A person's record in the words of a language."""

    def __init__(
        self,
        record: SubjectRecord,
        locale: Locale,
        topics: Mapping[str, TopicSettings],
        zone: ZoneInfo,
        register: Register,
    ) -> None:
        self._record, self._locale, self._topics, self._zone = record, locale, topics, zone
        self._texts = load_texts(locale, register)["own_data"]

    def own_data(self) -> OwnData:
        record = self._record
        return OwnData(
            names=record.person.names._asdict(),
            email=readable_address(record.person.email),
            on_file_since=self._moment(record.person.created_at),
            topics=[
                ShownTopic(
                    self._title(topic), self._word("state", status.state.value), self._moment(status.since)
                )
                for topic, status in record.statuses.items()
            ],
            suppressed=self._suppressed(),
            mails=[self._mail(each) for each in record.elsewhere.get("mails", [])],
            events=[self._event(entry_values(entry, record)) for entry in record.history],
            requests=[self._request(each) for each in record.requests],
            disclosures=[
                ShownDisclosure(self._moment(act.at), act.disclosed_to or "", act.ground or "")
                for act in record.disclosures
            ],
            holds=[ShownHold(hold.ground, self._moment(hold.until)) for hold in record.held],
        )

    def _suppressed(self) -> str:
        if (found := self._record.suppressed) is None:
            return ""
        text: str = self._texts["suppressed"]
        told = text.format(time=self._moment(found.since), reason=self._word("reason", found.reason.value))
        return f"{told} ({found.source})" if found.source else told

    def _mail(self, mail: Mapping[str, Any]) -> ShownMail:
        return ShownMail(
            mail["title"],
            self._moment(mail["completed_at"] or mail["attempted_at"]),
            self._word("outcome", mail["outcome"]),
            mail["reply"] or "",
        )

    def _event(self, event: Mapping[str, Any]) -> ShownEvent:
        return ShownEvent(
            self._moment(event["occurred_at"]),
            self._word("kind", event["kind"]),
            self._title(event["topic"]),
            self._word("channel", event["channel"]),
            event["source"] or "",
            self._record.wordings.get(event["wording_sha256"] or "", ""),
        )

    def _request(self, request: Mapping[str, Any]) -> ShownRequest:
        return ShownRequest(
            self._moment(request["requested_at"]),
            self._word("request", request["kind"]),
            self._title(request["topic"]),
            request["email"] or "",
            self._moment(request["confirmed_at"]),
        )

    def _moment(self, value: Any) -> str:
        return format_moment(value, self._locale, self._zone) if value is not None else ""

    def _word(self, kind: str, value: str) -> str:
        word: str = self._texts[f"{kind}_{value}"]
        return word

    def _title(self, topic: str | None) -> str:
        return title_of(self._topics, topic, self._locale) if topic and topic != EVERY_TOPIC else ""
