"""What the page with a person's own data shows: texts that are ready to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class ShownTopic(NamedTuple):
    """A topic and what stands for it."""

    title: str
    state: str
    since: str


class ShownMail(NamedTuple):
    """A mail to the person. `reply` is what the mail server said."""

    title: str
    at: str
    outcome: str
    reply: str


class ShownEvent(NamedTuple):
    """An entry of the consent ledger, with the text that was shown."""

    at: str
    what: str
    topic: str
    channel: str
    source: str
    wording: str


class ShownRequest(NamedTuple):
    """A request that waits for a confirmation, or was confirmed."""

    at: str
    what: str
    topic: str
    email: str
    confirmed_at: str


class ShownDisclosure(NamedTuple):
    """To whom outside the data were given, and on what ground."""

    at: str
    to: str
    ground: str


class ShownHold(NamedTuple):
    """Data that the law requires you to keep: on what ground, until when."""

    ground: str
    until: str


@dataclass(frozen=True, slots=True)
class OwnData:
    """Everything on file about a person."""

    names: Mapping[str, str]
    email: str
    on_file_since: str
    topics: Sequence[ShownTopic]
    suppressed: str
    mails: Sequence[ShownMail]
    events: Sequence[ShownEvent]
    requests: Sequence[ShownRequest]
    disclosures: Sequence[ShownDisclosure] = ()
    holds: Sequence[ShownHold] = ()
