"""The signed addresses of the public pages of release notes, and the addresses of a topic's archive.

An address names a campaign and a language. It is the same for all recipients, so it identifies nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection

from mailer.config import KeySource, Settings, key_source
from mailer.database import installation_id
from subscribers.signed_tokens import SignedTokens
from templates.language import Locale, parse_locale

VIEW_PATH = "/view"
ARCHIVE_PATH = "/archive"
_PURPOSE = b"release-mailer view link 1"


class Viewed(NamedTuple):
    """What an address names."""

    campaign_id: int
    locale: Locale


class PageLinks:
    """Makes and reads the addresses of one installation (`mailer.database.installation_id`)."""

    def __init__(self, keys: KeySource, installation: str, public_url: str) -> None:
        self._tokens = SignedTokens(keys, _PURPOSE, installation)
        self._start = f"{public_url}{VIEW_PATH}/"

    def url(self, campaign_id: int, locale: Locale) -> str:
        """The address of a campaign's page."""
        return self._start + self._tokens.make(f"{campaign_id}.{locale}")

    def read(self, token: str) -> Viewed:
        """What the token at the end of an address names. Raises UnknownToken."""
        campaign_id, _, locale = self._tokens.read(token).partition(".")
        return Viewed(int(campaign_id), parse_locale(locale))


def page_urls(
    connection: Connection, settings: Settings, campaign_id: int, locales: Iterable[Locale]
) -> dict[Locale, str]:
    """The address of a campaign's page in each language; none where the settings have no pages."""
    if not settings.archive.enabled:
        return {}
    links = PageLinks(key_source(settings), installation_id(connection), settings.public_url)
    return {locale: links.url(campaign_id, locale) for locale in locales}


def archive_url(settings: Settings, topic: str) -> str | None:
    """The address of the topic's archive, where it has one."""
    archive = settings.archive
    if not archive.enabled or topic not in archive.topics:
        return None
    return f"{settings.public_url}{ARCHIVE_PATH}/{topic}"
