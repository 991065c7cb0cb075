"""Write a service mail when it is sent: to the address that is on file then, or that the request stated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection

from mailer.config import KeySource, Settings, dkim_keys
from mailer.message import Content, Mailbox
from mailer.message.dkim import Signer
from mailer.message.letter import Letter, compose_letter
from mailer.smtp import Envelope
from subscribers import pending_requests, people
from subscribers.address import AddressHasher, mask_email
from subscribers.pending_requests import LinkTarget, RequestLinks, StoredRequest, objected_at
from subscribers.people import Person
from subscribers.service_mails.outbox import Claim
from subscribers.topic import title_of
from templates.brand import Brand
from templates.language import greet
from templates.service_letter import render_service_mail
from templates.service_mail import ServiceMailKind, ServiceMailValues


@dataclass(frozen=True, slots=True)
class Due:
    """A claimed mail, the request that it is about, and to whom it goes. `person` is its owner, if known."""

    kind: ServiceMailKind
    request: StoredRequest
    email: str
    person: Person | None


def find_due(connection: Connection, claimed: Claim, hasher: AddressHasher, now: datetime) -> Due | None:
    """What a claimed mail is about; None where there is no reason to send it any more.

    That is so where the request is spent, expired or gone with its person. A person who complained or objected is
    not asked for a consent, whatever a form says.
    """
    request = pending_requests.find_open(connection, claimed.request_id, now)
    if request is None:
        return None
    person = people.get(connection, request.subscriber_id) if request.subscriber_id is not None else None
    kind = claimed.kind
    if person is None and kind is not ServiceMailKind.SIGN_UP:
        return None
    to_stranger = person is None or kind is ServiceMailKind.NEW_ADDRESS
    email = request.stated.email if to_stranger or person is None else person.email
    asks_consent = kind in {ServiceMailKind.TOPIC, ServiceMailKind.SIGN_UP, ServiceMailKind.NEW_ADDRESS}
    if asks_consent and objected_at(connection, email.lower(), request.topic, hasher) is not None:
        return None
    return Due(kind, request, email, None if to_stranger else person)


class Letters:
    """Writes service mails for one installation. `brand` is that of the settings."""

    def __init__(self, settings: Settings, brand: Brand, keys: KeySource, installation: str) -> None:
        self._settings, self._brand = settings, brand
        self._links = RequestLinks(keys, installation, settings.public_url)

    @cached_property
    def _per_sender(self) -> dict[str, Settings]:
        return self._settings.per_sender()

    @cached_property
    def _signers(self) -> list[Signer]:
        return dkim_keys.signers(self._settings.dkim)

    def write(self, due: Due, now: datetime, relay: str = "") -> tuple[Envelope, Content]:
        """The mail, complete and signed. `relay` may have a sender of its own.

        Raises TemplateError, ConfigurationError for a key that can't be read, and InvalidInput where an address
        can't be sent to.
        """
        request, locale = due.request, due.request.locale
        has_link = due.kind is not ServiceMailKind.ADDRESS_NOTICE
        target = LinkTarget(request.id, request.requested_at, request.kind, locale)
        names = due.person.names if due.person else None
        values = ServiceMailValues(
            url=self._links.url(target) if has_link else "",
            greeting=greet(locale, *names, self._settings.form_of_address) if names else "",
            wording=request.wording or "",
            topic=title_of(self._settings.topics, request.topic, locale),
            new_address=mask_email(request.stated.email) if request.stated.email else "",
        )
        rendered = render_service_mail(
            due.kind,
            locale,
            self._brand,
            values,
            theme=self._settings.theme or "product",
            templates_dir=self._settings.templates_dir,
            register=self._settings.form_of_address,
        )
        settings = self._per_sender.get(relay, self._settings)
        letter = Letter(
            settings.sender,
            Mailbox("", due.email),
            rendered.subject,
            rendered.text,
            rendered.html,
            locale,
            settings.reply_to,
            rendered.images,
        )
        envelope = Envelope(settings.return_path or settings.sender.email, due.email)
        return envelope, compose_letter(letter, now, self._signers)
