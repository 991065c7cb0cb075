"""The tokens in the forms of the page: each is for one act of one person, on one page, for 15 minutes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from mailer.config import KeySource
from subscribers.signed_tokens import SignedTokens, UnknownToken

LIFETIME = timedelta(minutes=15)
_PURPOSE = b"release-mailer own data form 1"


class Act(StrEnum):
    """What a form does."""

    NAMES = "names"
    ADDRESS = "address"
    EXPORT = "export"
    OBJECT = "object"
    ERASE = "erase"


@dataclass(frozen=True, slots=True)
class Form:
    """The content of a form's token. `expires_at` is that of the page: an act does not prolong it.

    `address_hash` is that of the person when the page was opened: a form of a former address does nothing.
    """

    act: Act
    subscriber_id: int
    address_hash: str
    expires_at: datetime


class FormTokens:
    """Makes and reads the tokens of the forms on the page of one link.

    `link_token` is the token in the page's URL, so a form can't be posted to another person's page.
    """

    def __init__(self, keys: KeySource, installation: str, link_token: str) -> None:
        purpose = _PURPOSE + b"\0" + link_token.encode()
        self._tokens = SignedTokens(keys, purpose, installation)

    def make(self, form: Form) -> str:
        """The token of a form."""
        seconds = int(form.expires_at.timestamp())
        return self._tokens.make(f"{form.act.value}.{form.subscriber_id}.{form.address_hash}.{seconds}")

    def read(self, token: str, now: datetime) -> Form:
        """The form of a token. Raises UnknownToken, also for one that has expired."""
        act, subscriber_id, address_hash, seconds = self._tokens.read(token).split(".")
        form = Form(Act(act), int(subscriber_id), address_hash, datetime.fromtimestamp(int(seconds), UTC))
        if form.expires_at <= now:
            raise UnknownToken("The form has expired.")
        return form
