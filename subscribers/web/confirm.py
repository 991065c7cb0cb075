"""The page on which a person confirms a request: ``/confirm/<token>``. Only its POST confirms."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mailer.database import in_thread
from mailer.errors import MailerError
from subscribers import pending_requests, people, rights
from subscribers.address import normalise
from subscribers.confirmation import CONFIRMED_KINDS, Confirmation, ConfirmationResult, confirm
from subscribers.pending_requests import LinkTarget, RequestKind, RequestLinks, StoredRequest
from subscribers.people import Names
from subscribers.topic import title_of
from subscribers.web.answers import LARGEST_BODY, OVER_STATUS, PageServices, chosen, token_of
from subscribers.web.form import UnreadableForm, read_form
from templates.language import Locale
from templates.page import Page


class ConfirmEndpoint:
    """Answers ``/confirm/<token>``."""

    def __init__(self, services: PageServices) -> None:
        self._services = services

    @property
    def route(self) -> Route:
        """The route of the page."""
        return Route(
            "/confirm/{token:path}",
            self.answer,
            methods=["GET", "POST"],
            name="confirm",
            max_body_size=LARGEST_BODY,
        )

    async def answer(self, request: Request) -> Response:
        """The page, or the answer to its button."""
        services = self._services
        locale: Locale = services.settings.locale
        try:
            links = RequestLinks(services.keys, await services.installation(), services.settings.public_url)
            target = links.read(token_of(request), CONFIRMED_KINDS)
            locale = target.locale
            if request.method != "POST":
                return await self._ask(target)
            if not chosen(await read_form(request), "confirm"):
                return services.page(Page.BAD_REQUEST, locale, status=400)
            return await self._confirm(target)
        except (UnreadableForm, MailerError, TimeoutError) as error:
            return services.failure(error, locale, "A confirmation")

    async def _ask(self, target: LinkTarget) -> Response:
        found, names = await self._services.read(lambda connection, now: _find(connection, target, now))
        if found is None:
            return self._services.page(Page.LINK_OVER, target.locale, status=OVER_STATUS)
        if target.kind is RequestKind.NEW_ADDRESS:
            return self._services.page(Page.CONFIRM_ADDRESS, target.locale)
        return self._services.page(
            Page.CONFIRM_CONSENT,
            target.locale,
            topic=title_of(self._services.settings.topics, found.topic, target.locale),
            quoted=found.wording,
            person=" ".join(name for name in names if name),
        )

    async def _confirm(self, target: LinkTarget) -> Response:
        def act(connection: Connection, now: datetime) -> Confirmation:
            return confirm(connection, target, self._services.hasher(), now)

        done = await self._services.write(act)
        if done.former is not None:
            await in_thread(rights.erase_on_disk, self._services.database, done.former)
        match done.result:
            case ConfirmationResult.OVER:
                return self._services.page(Page.LINK_OVER, target.locale, status=OVER_STATUS)
            case ConfirmationResult.ADDRESS_TAKEN:
                return self._services.page(Page.ADDRESS_TAKEN, target.locale, status=409)
        if target.kind is RequestKind.NEW_ADDRESS:
            return self._services.page(Page.ADDRESS_CONFIRMED, target.locale)
        return self._services.page(Page.CONSENT_CONFIRMED, target.locale)


def _find(connection: Connection, target: LinkTarget, now: datetime) -> tuple[StoredRequest | None, Names]:
    """The request, and the names that confirming it puts on file: those that a new person's sign-up stated."""
    found = pending_requests.find_linked(connection, target, now)
    if found is None or found.kind is not RequestKind.SIGN_UP:
        return found, Names()
    on_file = people.find(connection, normalise(found.stated.email))
    return found, found.stated.names if on_file is None else Names()
