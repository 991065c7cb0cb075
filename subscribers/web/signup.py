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
from subscribers.web.answers import LARGEST_BODY, Desk
from subscribers.web.form import UnreadableForm, read_form
from templates.language import LOCALES, Locale, parse_locale
from templates.page import Page
from templates.sign_up_form import SignUpForm


class SignUpEndpoint:
    """Answers ``/signup/<topic>``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

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
        desk = self._desk
        locale = _language(
            request.query_params, request.headers.get("Accept-Language", ""), desk.settings.locale
        )
        name = request.path_params["topic"]
        if name not in desk.settings.sign_up.topics:
            return desk.page(Page.INVALID_LINK, locale, status=404)
        topic = parse_topic(name)
        try:
            if request.method != "POST":
                return self._form(topic, locale)
            fields = await read_form(request)
            locale = _language(fields, "", locale)
            try:
                sign_up = parse_sign_up(fields)
            except InvalidInput as error:
                return self._form(topic, locale, fields, error.where or "", status=422)
            await self._request(request, topic, locale, sign_up)
            return desk.page(Page.SIGN_UP_ASKED, locale)
        except UnreadableForm:
            return desk.page(Page.BAD_REQUEST, locale, status=400)
        except (MailerError, TimeoutError) as error:
            return desk.put_off(error, locale, "A sign-up")

    async def _request(self, request: Request, topic: Topic, locale: Locale, sign_up: SignUp) -> None:
        desk = self._desk
        peer = request.client.host if request.client else ""
        forwarded = request.headers.getlist("X-Forwarded-For")
        network = network_of(peer, forwarded, desk.settings.trusted_proxies)
        key, wording = desk.keys.current().keys[-1], self._shown(topic, locale).wording

        def act(connection: Connection, now: datetime) -> bool:
            return request_sign_up(
                connection,
                sign_up,
                topic,
                wording,
                locale,
                network=network,
                most_an_hour=desk.settings.sign_up.most_an_hour,
                key=key,
                now=now,
            )

        await desk.write(act)

    def _shown(self, topic: Topic, locale: Locale) -> SignUpForm:
        return sign_up_form(self._desk.settings.topics, topic, locale, self._desk.pages)

    def _form(
        self,
        topic: Topic,
        locale: Locale,
        fields: Mapping[str, str] | None = None,
        wrong: str = "",
        *,
        status: int = 200,
    ) -> Response:
        desk = self._desk
        html = desk.pages.render_sign_up(self._shown(topic, locale), locale, fields=fields or {}, wrong=wrong)
        return desk.html(html, locale, status=status)


def _language(named: Mapping[str, str], accepted: str, default: Locale) -> Locale:
    """The language that a request names, or the first one of ours that the browser prefers."""
    tags = [named.get("language", ""), *(part.partition(";")[0].strip()[:2] for part in accepted.split(","))]
    found = next((tag.lower() for tag in tags if tag.lower() in LOCALES), None)
    return parse_locale(found) if found is not None else default
