"""The page on which people sign up: ``/signup/<topic>``. It is off, unless the settings name topics for it.

Its answer is the same for every address that mail can be sent to: known, unknown and suppressed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mailer.errors import InvalidInput, MailerError
from subscribers.intake.signup import SignUp, network_of, parse_sign_up, request_sign_up, sign_up_form
from subscribers.topic import Topic, parse_topic
from subscribers.web.answers import LARGEST_BODY, PageServices
from subscribers.web.form import UnreadableForm, read_form
from subscribers.web.language import preferred_locale
from templates.language import LOCALES, Locale
from templates.page import Page
from templates.sign_up_form import SignUpForm


class SignUpEndpoint:
    """Answers ``/signup/<topic>``."""

    def __init__(self, services: PageServices) -> None:
        self._services = services

    @property
    def route(self) -> Route:
        """The route of the page."""
        return Route(
            "/signup/{topic}",
            self.answer,
            methods=["GET", "POST"],
            name="sign up",
            max_body_size=LARGEST_BODY,
        )

    async def answer(self, request: Request) -> Response:
        """The form, or the answer to it."""
        services = self._services
        locale = _named_locale(request.query_params) or preferred_locale(request, services.settings.locale)
        name = request.path_params["topic"]
        if name not in services.settings.sign_up.topics:
            return services.page(Page.INVALID_LINK, locale, status=404)
        topic = parse_topic(name)
        try:
            if request.method != "POST":
                return self._form(topic, locale)
            fields = await read_form(request)
            locale = _named_locale(fields) or locale
            try:
                sign_up = parse_sign_up(fields)
            except InvalidInput as error:
                return self._form(topic, locale, fields, error.where or "", status=422)
            await self._request(request, topic, locale, sign_up)
            return services.page(Page.SIGN_UP_ASKED, locale)
        except (UnreadableForm, MailerError, TimeoutError) as error:
            return services.failure(error, locale, "A sign-up")

    async def _request(self, request: Request, topic: Topic, locale: Locale, sign_up: SignUp) -> None:
        services = self._services
        peer = request.client.host if request.client else ""
        forwarded = request.headers.getlist("X-Forwarded-For")
        network = network_of(peer, forwarded, services.settings.trusted_proxies)
        key, wording = services.keys.current().keys[-1], self._shown(topic, locale).wording

        def act(connection: Connection, now: datetime) -> bool:
            return request_sign_up(
                connection,
                sign_up,
                topic,
                wording,
                locale,
                network=network,
                most_an_hour=services.settings.sign_up.most_an_hour,
                key=key,
                now=now,
            )

        await services.write(act)

    def _shown(self, topic: Topic, locale: Locale) -> SignUpForm:
        return sign_up_form(self._services.settings.topics, topic, locale, self._services.pages)

    def _form(
        self,
        topic: Topic,
        locale: Locale,
        fields: Mapping[str, str] | None = None,
        wrong: str = "",
        *,
        status: int = 200,
    ) -> Response:
        services = self._services
        html = services.pages.render_sign_up(
            self._shown(topic, locale), locale, fields=fields or {}, wrong=wrong
        )
        return services.html(html, locale, status=status)


def _named_locale(fields: Mapping[str, str]) -> Locale | None:
    """The language that a query or a form names, if it is one of ours."""
    named = fields.get("language", "").lower()
    return next((locale for locale in LOCALES if locale == named), None)
