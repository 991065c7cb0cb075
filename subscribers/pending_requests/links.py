"""The links in mails that ask for a confirmation: ``/me/<token>`` and ``/confirm/<token>``.

A token names a request by its number and its moment: after a restore another request may get the same number. It
holds no personal data.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mailer.config import KeySource
from mailer.errors import InvalidInput
from subscribers.pending_requests.kinds import RequestKind
from subscribers.signed_tokens import SignedTokens, UnknownToken
from templates.language import Locale, parse_locale

_PURPOSE = b"release-mailer request link 1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class LinkTarget:
    """The content of a link: the request, when it was made, its kind and its language."""

    request_id: int
    requested_at: datetime
    kind: RequestKind
    locale: Locale


class RequestLinks:
    """Makes and reads the links of one installation's requests.

    `installation` is `mailer.database.installation_id`. `public_url` is without a slash at its end.
    """

    def __init__(self, keys: KeySource, installation: str, public_url: str) -> None:
        self._tokens = SignedTokens(keys, _PURPOSE, installation)
        self._public_url = public_url

    def url(self, target: LinkTarget) -> str:
        """The link. That of the person's own data has a path of its own."""
        path = "me" if target.kind is RequestKind.OWN_DATA else "confirm"
        return f"{self._public_url}/{path}/{self.token(target)}"

    def token(self, target: LinkTarget) -> str:
        """The token in the link."""
        moment = (target.requested_at - _EPOCH) // _MICROSECOND
        return self._tokens.make(f"{target.request_id}.{moment}.{target.kind.value}.{target.locale}")

    def read(self, token: str, kinds: Container[RequestKind]) -> LinkTarget:
        """The target of a link to a request of one of `kinds`. Raises UnknownToken."""
        try:
            number, moment, kind, locale = self._tokens.read(token).split(".")
            requested_at = _EPOCH + int(moment) * _MICROSECOND
            target = LinkTarget(int(number), requested_at, RequestKind(kind), parse_locale(locale))
        except (ValueError, InvalidInput):  # made by another version of the program
            raise UnknownToken("This link is of another version.") from None
        if target.kind not in kinds:
            raise UnknownToken("This link is for another page.")
        return target
