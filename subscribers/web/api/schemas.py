"""The objects of the API. Unknown members are refused."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from mailer.config import TOPIC_PATTERN
from subscribers.changes import MOST_AT_ONCE
from subscribers.ledger import LANGUAGE_PATTERN, LONGEST_LANGUAGE, LONGEST_VERSION, LONGEST_WORDING
from subscribers.people import LONGEST_NAME
from subscribers.public_ids import CHANGE_PATTERN, SUBSCRIBER_PATTERN

MOST_ITEMS = 1000
LONGEST_NOTE = 300
# RFC 3339, section 5.6: a date, a time and a zone.
INSTANT_PATTERN = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
# One line: no control character, line or paragraph separator, nor a mark that changes the direction of text.
LINE_PATTERN = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069\\ufeff]*$"

Email = Annotated[
    str,
    StringConstraints(min_length=3, max_length=320),
    Field(description="The address.", examples=["jan@example.com"], json_schema_extra={"format": "email"}),
]
SubscriberId = Annotated[
    str,
    StringConstraints(pattern=SUBSCRIBER_PATTERN),
    Field(description="The id that an earlier answer or a change gave."),
]
Name = Annotated[str, StringConstraints(max_length=LONGEST_NAME, pattern=LINE_PATTERN)]
TopicName = Annotated[
    str,
    StringConstraints(pattern=f"^(?:{TOPIC_PATTERN})$"),
    Field(description="What the consent is about.", examples=["release-notes"]),
]
TopicOrEvery = Annotated[
    str,
    StringConstraints(pattern=rf"^(?:\*|{TOPIC_PATTERN})$"),
    Field(description="What the consent is about; * is every topic.", examples=["release-notes", "*"]),
]
Instant = Annotated[
    str,
    StringConstraints(pattern=INSTANT_PATTERN, max_length=40),
    Field(
        description="A date, time and zone (RFC 3339).",
        examples=["2026-05-01T10:00:00+02:00"],
        json_schema_extra={"format": "date-time"},
    ),
]
Note = Annotated[
    str,
    StringConstraints(max_length=LONGEST_NOTE, pattern=LINE_PATTERN),
    Field(description="Through what the person acted, such as a page's name. No personal data."),
]
Sha256 = Annotated[
    str, StringConstraints(pattern="^[0-9a-f]{64}$"), Field(description="The SHA-256 of the text, in UTF-8.")
]


class RequestBody(BaseModel):
    """A JSON object without unknown members."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Someone(RequestBody):
    """A person, by `email` or by `subscriber`: exactly one of the two."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["email"]}, {"required": ["subscriber"]}]}
    )

    email: Email = ""
    subscriber: SubscriberId = ""

    @model_validator(mode="after")
    def _names_one(self) -> Any:
        if ("email" in self.model_fields_set) == ("subscriber" in self.model_fields_set):
            raise ValueError("give either email or subscriber")
        return self


class Grant(RequestBody):
    """A consent of a person: the topic, the time, and the text that was shown."""

    email: Email
    salutation: Name = ""
    first_name: Name = ""
    surname: Name = ""
    topic: TopicName
    given_at: Instant
    wording: Sha256
    note: Note = ""


class Withdrawal(Someone):
    """A withdrawal of a consent. `at` is when the person withdrew; the default is now."""

    topic: TopicOrEvery
    at: Instant | None = None
    note: Note = ""


class Query(Someone):
    """The person whose consents are wanted."""


class ChangesQuery(RequestBody):
    """Which changes are read."""

    after: Annotated[
        str | None,
        StringConstraints(pattern=f"{CHANGE_PATTERN}|^$"),
        Field(description="The cursor of an earlier answer. Empty or left out: from the start."),
    ] = None
    limit: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] = 100


class Batch(RequestBody):
    """Up to 1,000 consents."""

    items: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_ITEMS)]


class Rectification(Someone):
    """The fields to correct. Absent fields do not change. An empty name removes the name."""

    salutation: Name | None = None
    first_name: Name | None = None
    surname: Name | None = None
    new_email: Email | None = None
    note: Note = ""


class Erasure(Someone):
    """The person to erase. The note is kept only where a hold keeps the data, until it ends."""

    note: Note = ""


class NewWording(RequestBody):
    """A text that asks for consent."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_WORDING)]
    language: Annotated[str, StringConstraints(max_length=LONGEST_LANGUAGE, pattern=LANGUAGE_PATTERN)]
    version: Annotated[str, StringConstraints(max_length=LONGEST_VERSION, pattern=LINE_PATTERN)] = ""
    topic: TopicName


State = Literal["granted", "requested", "withdrawn", "objected", "suppressed", "none"]


class SubscriberConsent(BaseModel):
    """A person's consent to one topic. `subscriber` is null where only a suppression of the address is on
    file.
    """

    subscriber: str | None
    topic: str
    state: State
    since: datetime | None
    entry: int | None


class Consent(BaseModel):
    """The state of the consent to one topic."""

    topic: str
    state: State
    since: datetime
    entry: int


class Consents(BaseModel):
    """A person's consents. Where `suppressed_since` is set the address gets no mail, although consents are
    granted.
    """

    subscriber: str
    consents: list[Consent]
    suppressed_since: datetime | None


class BatchResult(BaseModel):
    """The result of one item: the status and the members of the answer to a single request."""

    model_config = ConfigDict(extra="allow")

    status: int


class BatchResults(BaseModel):
    """The results, in the order of the items."""

    results: list[BatchResult]


class Rectified(BaseModel):
    """The changed fields."""

    subscriber: str
    changed: list[str]


class Hold(BaseModel):
    """Data that the law requires you to keep: on what ground, until when."""

    ground: str
    until: datetime


class Held(BaseModel):
    """An erasure that waits until the holds end. The person gets no more mail."""

    subscriber: str
    holds: list[Hold]


class Change(BaseModel):
    """A change to a consent. `email` is the person's present address; null once they were erased."""

    id: Annotated[str, StringConstraints(pattern=CHANGE_PATTERN)]
    kind: Literal["requested", "granted", "withdrawn", "objected", "rectified", "erased"]
    subscriber: str
    email: str | None
    topic: str
    at: datetime
    channel: str


class Changes(BaseModel):
    """Changes in order. `next` is the cursor after them; `more` says whether there are more now."""

    changes: list[Change]
    next: str
    more: bool


class ChangesData(BaseModel):
    """The changes of one call."""

    changes: list[Change]


class ChangesEvent(BaseModel):
    """The body of an outgoing webhook (Standard Webhooks)."""

    type: Literal["consent.changes"]
    timestamp: datetime
    data: ChangesData


class Wording(BaseModel):
    """A registered text."""

    sha256: str
    language: str
    version: str
    topic: str


class Wordings(BaseModel):
    """All registered texts."""

    wordings: list[Wording]


class ErrorField(BaseModel):
    """An invalid member of the request, and the reason."""

    field: str
    detail: str


class ProblemDetails(BaseModel):
    """An error (RFC 9457). `code` names its kind for programs, `detail` explains it to people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ErrorField] = []
