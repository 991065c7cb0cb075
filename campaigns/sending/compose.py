"""From a campaign and a recipient to an envelope and the bytes of a mail."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from campaigns.page_links import PageLinks, archive_url
from campaigns.stored_content import content_hash
from mailer.config import DkimSettings, Secret, Settings, dkim_keys, key_source
from mailer.errors import ConfigurationError, Refused
from mailer.message import Content, MailTemplate
from mailer.message.identifiers import MessageIds, ReturnPaths, feedback_id
from mailer.message.signature import KeyName
from mailer.message.skeleton import compile_skeleton
from mailer.smtp import Envelope
from subscribers.address import HashedAddress
from subscribers.audience import ConsentedRecipient
from subscribers.self_service import NO_ADDRESS, Links
from templates.language import Locale, Register, greet
from templates.notes import RenderedNotes

UNCOMMITTED = "the address on file is not the one that the consent ledger commits to"
_LARGEST = 2**63 - 1  # the number of a delivery or a subscriber, and so the longest Message-ID and link


class Example(NamedTuple):
    """A fictitious recipient for previews and proofs. The link in their mail belongs to nobody."""

    salutation: str
    first_name: str
    surname: str
    email: str
    delivery_id: int = 0
    subscriber_id: int = 0
    address: HashedAddress = NO_ADDRESS


def example(locale: Locale) -> Example:
    """The fictitious recipient in a language."""
    salutation = {"nl": "mevrouw", "en": "Ms"}[locale]
    return Example(salutation, "Zoë", "de Vries", "zoe@example.com")


class Composer:
    """Composes the mails of one campaign in one language, and those of its other languages.

    What all mails share is made once, here. `wordings` has the language of each wording that people agreed to, by its
    commitment: a person gets the language of their wording, else `locale`, which is the settings', else the campaign's
    first. `external_keys` are the keys of a process that signs what is composed here; by default the keys of the settings
    sign here, at once.

    Raises what `compile_skeleton` raises, and ConfigurationError for an invalid sender, key or address.
    """

    def __init__(
        self,
        campaign_id: int,
        slug: str,
        topic: str,
        rendered: RenderedNotes,
        settings: Settings,
        *,
        installation: str,
        wordings: Mapping[str, str] = MappingProxyType({}),
        external_keys: Sequence[KeyName] | None = None,
    ) -> None:
        sender, keys = settings.sender, settings.keys()
        by_locale = {edition.locale: edition for edition in rendered.editions}
        main = by_locale.pop(settings.locale, None) or by_locale.pop(rendered.locale)
        self._topic, self.locale = topic, main.locale
        self._register: Register = settings.form_of_address
        self._message_ids = MessageIds(keys, campaign_id, sender.domain)
        self._links = Links(key_source(settings), installation, settings.public_url)
        self._sender = sender.email
        self._return_paths = ReturnPaths(keys, settings.return_path) if settings.return_path else None
        pages = PageLinks(key_source(settings), installation, settings.public_url)
        view_url = pages.url(campaign_id, main.locale) if settings.archive.enabled else None
        signers = dkim_keys.signers(settings.dkim) if external_keys is None else ()
        mail = campaign_mail(slug, topic, main, settings, view_url=view_url)
        self._skeleton = compile_skeleton(mail, signers, external_keys=external_keys or ())
        self._skeleton.check_made(
            self._message_ids.of(_LARGEST), self._links.url(_LARGEST, NO_ADDRESS, topic, main.locale)
        )
        composer_of = partial(
            Composer, campaign_id, slug, topic, installation=installation, external_keys=external_keys
        )
        self._others = [
            composer_of(edition._replace(translations=()), settings) for edition in by_locale.values()
        ]
        self._by_wording: dict[str | None, Composer] = {
            wording: other
            for wording, language in wordings.items()
            for other in self._others
            if language.partition("-")[0].lower() == other.locale
        }
        self._through = {
            name: composer_of(rendered, own, wordings=wordings) for name, own in settings.per_sender().items()
        }

    @property
    def editions(self) -> tuple[Composer, ...]:
        """A composer for each language of the campaign."""
        return (self, *self._others)

    def through(self, relay: str) -> Composer:
        """The skeleton for mails through `relay`, which may have its own sender."""
        return self._through.get(relay, self)

    def compose(
        self, recipient: ConsentedRecipient, now: datetime, announced: Envelope | None = None
    ) -> tuple[Envelope, Content]:
        """The mail of one recipient, complete and signed, unless another process signs it; `now` becomes its Date.

        `announced` is the envelope that the relay has; it remains if it is the recipient's. Raises InvalidInput where the
        recipient's fields can't be sent, and Refused where the consent was not given with their address.
        """
        if not recipient.is_committed():
            raise Refused(
                f"The campaign is paused: of subscriber {recipient.subscriber_id} {UNCOMMITTED}.",
                hint="Keep this database as it is. `mailer consent verify` says more.",
            )
        composer = self._by_wording.get(recipient.wording, self)
        content = composer._content(recipient, now)  # noqa: SLF001 - the composer of another language
        if announced is not None and announced.recipient == recipient.email:
            return announced, content
        return composer.envelope(recipient.delivery_id, recipient.email), content

    def envelope(self, delivery_id: int, email: str) -> Envelope:
        """The envelope of a delivery to `email`. Raises InvalidInput where the address can't be in one."""
        return_path = self._return_paths.of(delivery_id) if self._return_paths else self._sender
        return Envelope(return_path, email)

    def sample(self, now: datetime, person: Example | None = None) -> tuple[Envelope, Content]:
        """The mail to somebody who does not exist, for a preview or a proof."""
        person = person or example(self.locale)
        return self.envelope(person.delivery_id, person.email), self._content(person, now)

    def _content(self, person: ConsentedRecipient | Example, now: datetime) -> Content:
        first_name, surname = person.first_name, person.surname
        name = f"{first_name} {surname}" if first_name and surname else first_name or surname
        return self._skeleton.fill_made(
            (name, person.email),
            self._message_ids.of(person.delivery_id),
            now,
            self._links.url(person.subscriber_id, person.address, self._topic, self.locale),
            greet(self.locale, person.salutation, first_name, surname, self._register),
        )


def sample_of(
    rendered: RenderedNotes,
    topic: str,
    settings: Settings,
    person: Example | None = None,
    slug: str = "preview",
) -> bytes:
    """A mail to somebody who does not exist, before there is a campaign. It needs no secrets: its links open nothing."""
    without = settings.replace(secret_keys=(Secret("preview " * 8),), dkim=DkimSettings())
    composer = Composer(0, slug, topic, rendered, without, installation="")
    return bytes(composer.sample(datetime.now(UTC), person)[1])


def campaign_mail(
    slug: str, topic: str, rendered: RenderedNotes, settings: Settings, *, view_url: str | None = None
) -> MailTemplate:
    """The template that all mails of a campaign share. `view_url` is the address of the page with the same content."""
    domain, website = settings.sender.domain, settings.brand.website
    domain_id = hashlib.sha256(domain.encode()).hexdigest()[:10]
    pages = {"List-Help": website and _web_address(website), "List-Archive": archive_url(settings, topic)}
    return MailTemplate(
        sender=settings.sender,
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        list_id=settings.list_id or f"{topic}.{domain}",
        list_name=settings.brand.name,
        feedback_id=feedback_id(slug, topic, "release-notes", domain_id),
        language=rendered.locale,
        boundary_seed=content_hash(rendered),
        reply_to=settings.reply_to,
        view_url=view_url,
        images=rendered.images,
        extra=tuple((name, f"<{url}>") for name, url in pages.items() if url),
    )


def _web_address(url: str) -> str:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ConfigurationError(f"[brand] website is not a web address: {url!r}")
    return url
