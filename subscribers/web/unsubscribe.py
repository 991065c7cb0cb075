"""The unsubscribe page and the target of mail providers' one-click POST (RFC 8058).

GET and HEAD write nothing. A POST needs no cookie and no login, is answered without a redirect, and may be
repeated.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mailer.database import GroupCommit
from mailer.errors import MailerError
from mailer.observability import Metric, Metrics
from subscribers.address import mask_email
from subscribers.kinds import Channel
from subscribers.self_service import InvalidToken, Links, Target, unsubscribe
from subscribers.self_service.preferences import TopicChoice
from subscribers.self_service.unsubscribe import Resubscribe, Subscription, View, Withdrawal
from subscribers.web.answers import ANSWER_SECONDS, INVALID_LINK_STATUS, LARGEST_BODY, PageServices, token_of
from subscribers.web.form import UnreadableForm, read_form
from subscribers.web.preferences import Preferences
from templates.language import Locale
from templates.page import Page

WITHDRAWALS = "mailer_withdrawals_total"
UNDONE = "mailer_withdrawals_undone_total"
COUNTED = {
    WITHDRAWALS: Metric(
        "Requests to withdraw that were honoured, by channel.",
        {"channel": (Channel.ONE_CLICK.value, Channel.PAGE.value)},
    ),
    UNDONE: Metric("Withdrawals undone on the page."),
}

# An invalid link, and its answer. `mailer doctor` requests it to check that the public URL leads here.
UNKNOWN_LINK = "/u/doctor"
UNKNOWN_LINK_STATUS = INVALID_LINK_STATUS

_ALL = frozenset({Page.ASK_ALL, Page.UNSUBSCRIBED_ALL})  # pages that are about no single topic

log = logging.getLogger(__name__)


class UnsubscribeEndpoint:
    """Answers ``/u/<token>``. Withdrawals go through `commits`, which groups them."""

    def __init__(
        self, services: PageServices, commits: GroupCommit[unsubscribe.Request, View], metrics: Metrics
    ) -> None:
        self._services = services
        self._preferences = Preferences(services, commits)
        self._links: Links | None = None
        self._commits = commits
        self._metrics = metrics

    @property
    def route(self) -> Route:
        """One route for the token and whatever follows it, such as a slash: a redirect would lose the POST."""
        return Route(
            "/u/{token:path}",
            self.answer,
            methods=["GET", "POST"],
            name="unsubscribe",
            max_body_size=LARGEST_BODY,
        )

    async def answer(self, request: Request) -> Response:
        """The page, or the answer to a POST."""
        locale: Locale = self._services.settings.locale
        token = token_of(request)
        try:
            links = await self._get_links()
            target = links.read(token)
            locale = target.locale
            form = await read_form(request) if request.method == "POST" else None
            async with asyncio.timeout(ANSWER_SECONDS):
                return await (self._show(target) if form is None else self._act(links, token, target, form))
        except (UnreadableForm, MailerError, TimeoutError) as error:
            return self._services.failure(error, locale, "An unsubscribe request")

    async def _get_links(self) -> Links:
        """The links of this installation, whose id is in the database."""
        if self._links is None:
            services = self._services
            self._links = Links(services.keys, await services.installation(), services.settings.public_url)
        return self._links

    async def _show(self, target: Target) -> Response:
        if target.is_nobody:
            return self._services.page(Page.PROOF, target.locale)
        return await self._ask(target, await self._look_up(target))

    async def _ask(self, target: Target, view: View, notice: str = "") -> Response:
        """The page with the one button that leaves all, and the topics below it."""
        choices = await self._preferences.choices(target) if view.email is not None else []
        on = {each.topic for each in choices or () if each.is_on}
        if choices is None or on - {target.topic}:
            page = Page.ASK_ALL
        else:
            page = Page.ASK if view.subscription is Subscription.ON else Page.NOT_SUBSCRIBED
        return self._view(page, target, view, choices=choices or (), notice=notice)

    async def _act(self, links: Links, token: str, target: Target, form: Mapping[str, str]) -> Response:
        if target.is_nobody:
            return self._answer_proof(target, form)
        if _is_one_click(form):
            await self._submit(Withdrawal(target, Channel.ONE_CLICK))
            self._metrics.count(WITHDRAWALS, channel=Channel.ONE_CLICK.value)
            return self._services.text("Unsubscribed.\n")
        match form.get("action"):
            case "withdraw":
                return await self._withdraw(links, token, target)
            case "resubscribe":
                return await self._undo(links, token, target, form.get("undo", ""))
            case "own_data":
                return await self._ask_own_data(target)
            case action:
                return await self._choose(target, action, form.get("topic", ""))

    def _answer_proof(self, target: Target, form: Mapping[str, str]) -> Response:
        if _is_one_click(form):
            return self._services.text("A proof or a test: nothing was changed.\n")
        return self._services.page(Page.PROOF, target.locale)

    async def _withdraw(self, links: Links, token: str, target: Target) -> Response:
        view = await self._submit(Withdrawal(target, Channel.PAGE))
        self._metrics.count(WITHDRAWALS, channel=Channel.PAGE.value)
        entry_id = view.undoable_entry_id
        undo_code = links.undo_code(token, entry_id) if entry_id is not None else None
        return self._view(Page.UNSUBSCRIBED, target, view, undo_code)

    async def _choose(self, target: Target, action: str | None, topic: str) -> Response:
        """Turn a topic, or all of them, off; or ask by mail whether one is to be turned on."""
        match action:
            case "withdraw_all":
                await self._preferences.turn_off_all(target)
                self._metrics.count(WITHDRAWALS, channel=Channel.PAGE.value)
                return await self._after_all(target)
            case "turn_off":
                title = await self._preferences.turn_off(target, topic)
                self._metrics.count(WITHDRAWALS, channel=Channel.PAGE.value)
                return await self._after_choice(target, title, on=False)
            case "turn_on":
                title = await self._preferences.turn_on(target, topic)
                return await self._after_choice(target, title, on=True)
            case _:
                raise UnreadableForm

    async def _after_all(self, target: Target) -> Response:
        view, choices = await self._look_up(target), await self._preferences.choices(target)
        return self._view(Page.UNSUBSCRIBED_ALL, target, view, choices=choices or ())

    async def _after_choice(self, target: Target, title: str, *, on: bool) -> Response:
        notice = self._services.pages.choice_notice(target.locale, title, on=on)
        return await self._ask(target, await self._look_up(target), notice)

    async def _look_up(self, target: Target) -> View:
        async with self._services.database.session() as session:
            connection = await session.connection()
            return await connection.run_sync(unsubscribe.look_up, target)

    async def _undo(self, links: Links, token: str, target: Target, undo_code: str) -> Response:
        try:
            entry_id = links.read_undo_code(token, undo_code)
        except InvalidToken:
            return await self._show(target)
        title = self._preferences.title(target.topic, target.locale)
        wording = self._services.pages.consent_wording(target.locale, title)
        view = await self._submit(Resubscribe(target, entry_id, wording))
        if view.subscription is not Subscription.ON:
            return self._view(Page.NOT_SUBSCRIBED, target, view)
        self._metrics.count(UNDONE)
        return self._view(Page.RESUBSCRIBED, target, view)

    async def _ask_own_data(self, target: Target) -> Response:
        """Let a link to the person's own data be mailed. The answer is the same where the limit is reached."""
        view = await self._preferences.request_own_data(target)
        address = mask_email(view.email) if view.email is not None else None
        return self._services.page(Page.OWN_DATA_ASKED, target.locale, address=address)

    async def _submit(self, request: unsubscribe.Request) -> View:
        return await self._commits.submit(request)

    def _view(
        self,
        page: Page,
        target: Target,
        view: View,
        undo_code: str | None = None,
        *,
        choices: Sequence[TopicChoice] = (),
        notice: str = "",
    ) -> Response:
        """The answer with a page about the person of a link."""
        locale = target.locale
        is_known = view.email is not None
        html = self._services.pages.render(
            page,
            locale,
            address=mask_email(view.email) if view.email is not None else None,
            topic=self._preferences.title(target.topic, locale) if is_known and page not in _ALL else None,
            undo_code=undo_code,
            choices=self._preferences.shown(choices, locale),
            notice=notice,
        )
        return self._services.html(html, locale)


def _is_one_click(form: Mapping[str, str]) -> bool:
    return any(
        name.casefold() == "list-unsubscribe" and value.strip().casefold() == "one-click"
        for name, value in form.items()
    )
